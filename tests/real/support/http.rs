//! Plain HTTP, which shares no code with the program's clients.

use reqwest::{Client, Method};
use serde_json::Value;

/// What a server answers, whatever its status.
pub(crate) fn http(method: Method, url: &str) -> Value {
    send(method, url, None)
}

/// The same with something to say.
pub(crate) fn send(method: Method, url: &str, body: Option<Value>) -> Value {
    let ask = async {
        let client = Client::builder().no_proxy().build().expect("a client");
        let request = client.request(method, url);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        request.send().await.expect("an answer").json().await.expect("JSON")
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(ask)
}

/// The latest version of a subject.
pub(crate) fn latest(registry: &str, subject: &str) -> Value {
    http(Method::GET, &format!("{registry}/subjects/{subject}/versions/latest"))
}
