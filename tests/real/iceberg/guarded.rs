//! A real catalog behind a guard: an authority of its own, a certificate asked of every client, and a token.

use super::{Catalog, NAMESPACE, Rest, TABLE, cx, orders};
use crate::support::certificates::both_sides;
use crate::support::guard::Guard;
use datamesh_iceberg::DEF;
use datamesh_provider::{ConnectRequest, ErrorKind, Facts, Located, Outcome, ProviderError};
use serde_json::{Value, json};
use std::path::Path;

/// What the catalog says of itself, if it lets us in.
async fn facts(settings: Value, root: &Path) -> Result<Facts, ProviderError> {
    let settings = Located { value: settings, ..Located::default() };
    assert!(!(DEF.validate_config)(&settings).has_errors());
    let request =
        ConnectRequest { name: "iceberg.default".into(), settings, root: root.into(), context: cx() };
    (DEF.connect)(request).await?.facts(&cx()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_certificate_and_the_token_makes_tables() {
    let Some((settings, _)) = Rest::Java.settings() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    both_sides(folder);
    let behind = settings["uri"].as_str().expect("an address");
    let Some(guard) = Guard::before(behind, folder, "Bearer very secret") else { return };
    let with = |authority: &str, client: Option<&str>, token: &str| {
        let mut settings = settings.clone();
        settings["uri"] = json!(guard.url(behind));
        settings["auth"] = json!({"bearer": token});
        settings["tls"] = json!({"ca_file": format!("{authority}.pem")});
        if let Some(client) = client {
            settings["tls"]["cert_file"] = json!(format!("{client}.pem"));
            settings["tls"]["key_file"] = json!(format!("{client}.key"));
        }
        settings
    };
    for (settings, kind) in [
        (with("other", Some("client"), "very secret"), ErrorKind::Unreachable),
        (with("ours", Some("stranger"), "very secret"), ErrorKind::Unreachable),
        (with("ours", None, "very secret"), ErrorKind::Unreachable),
        (with("ours", Some("client"), "quite wrong"), ErrorKind::Unauthenticated),
    ] {
        let error = facts(settings.clone(), folder).await.expect_err("not let in");
        assert_eq!(error.kind, kind, "{settings}: {error:?}");
        assert!(!format!("{error:?}").contains("quite wrong") && error.hint.is_some(), "{error:?}");
    }
    let mut elsewhere = with("ours", Some("client"), "very secret");
    elsewhere["uri"] = json!(guard.url(behind).replace("127.0.0.1", "localhost"));
    let error = facts(elsewhere, folder).await.expect_err("the certificate is for another name");
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error:?}");

    let namespace = format!("ice_{}_guarded", std::process::id());
    let catalog = Catalog::connected(with("ours", Some("client"), "very secret"), folder, namespace).await;
    catalog.made(NAMESPACE, &catalog.namespace, json!({})).await;
    catalog.made(TABLE, &catalog.id("t"), orders()).await;
    assert_eq!(catalog.delete(TABLE, &catalog.id("t")).await, Outcome::Deleted);
    assert_eq!(catalog.delete(NAMESPACE, &catalog.namespace).await, Outcome::Deleted);
}
