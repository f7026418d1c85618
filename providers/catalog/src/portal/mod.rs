//! The backend `portal`: a folder with one JSON document an entity, and a static site made from them.
//!
//! ```text
//! <path>/entities/domain/order-management.json
//! <path>/entities/product/order-management%2Forders-facts%403.json
//! <path>/entities/lineage/order-management%2Forders-facts%403%23lineage.json
//! <path>/index.html, style.css, products/…      the pages
//! <path>/site.json                              which pages are ours
//! <path>/.lock                                  one writer at a time
//! ```
//!
//! What is not ours in there is never read as ours, changed or removed.

mod apply;
mod document;
mod names;
mod pages;
mod provider;
mod store;

use crate::config;
use datamesh_provider::{ConnectRequest, ErrorKind, Provider, ProviderError};
use std::sync::Arc;

/// Builds the backend. Touches no file.
pub(crate) fn connect(request: &ConnectRequest) -> Result<Arc<dyn Provider>, ProviderError> {
    let (settings, found) = config::decode(&request.settings);
    let Some(settings) = settings else {
        let why: Vec<String> = found.errors().map(|d| d.detail.clone()).collect();
        return Err(
            ProviderError::new(ErrorKind::Config, request.name.as_str(), "nowhere").message(why.join(" "))
        );
    };
    let root = request.root.join(&settings.path);
    let store = store::Store::new(root, &request.name, &settings.path);
    Ok(Arc::new(provider::Portal::new(store)))
}
