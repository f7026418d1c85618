//! Plain HTTP, which shares no code with the program's clients.

use reqwest::{Client, Method};
use serde_json::Value;

/// What a server answers, whatever its status.
pub(crate) fn http(method: Method, url: &str) -> Value {
    let ask = async {
        let client = Client::builder().no_proxy().build().expect("a client");
        client.request(method, url).send().await.expect("an answer").json().await.expect("JSON")
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(ask)
}

/// The latest version of a subject.
pub(crate) fn latest(registry: &str, subject: &str) -> Value {
    http(Method::GET, &format!("{registry}/subjects/{subject}/versions/latest"))
}
