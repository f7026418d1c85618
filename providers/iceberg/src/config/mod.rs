//! The settings of one Iceberg catalog in the Mesh document.
//!
//! ```yaml
//! iceberg:
//!   default: { catalog: sql, name: datamesh, uri: "sqlite:.datamesh/iceberg.db", warehouse: "file:.datamesh/warehouse" }
//!   lake:
//!     catalog: rest
//!     uri: https://catalog.example.com
//!     warehouse: s3://lake
//!     auth: { oauth2: { client_id: mesh, client_secret: "${env:LAKE_SECRET}", scope: PRINCIPAL_ROLE:ALL } }   # or { bearer: "${file:token}" }
//!     headers: { x-tenant: acme }
//!     tls: { ca_file: ca.pem, cert_file: client.pem, key_file: client.key }
//!     insecure: false
//! ```

use crate::codes::{INSECURE, SETTINGS, UNKNOWN_SETTING};
use crate::location;
use datamesh_provider::{Diagnostic, Diagnostics, Located, SecretText, is_loopback_host};
use serde_json::{Map, Value, json};
use url::Url;

/// The settings of one catalog, checked. Paths are as written: relative ones are relative to the mesh's root.
#[derive(Clone, Debug)]
pub(crate) enum Settings {
    Sql(Sql),
    Rest(Box<Rest>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sql {
    /// The catalog's own name: part of every key in the database.
    pub(crate) name: String,
    /// The path of the SQLite database.
    pub(crate) database: String,
    /// A `file:` location.
    pub(crate) warehouse: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Rest {
    /// Where `/v1` is: without user, query, fragment or trailing slash.
    pub(crate) uri: Url,
    pub(crate) warehouse: Option<String>,
    pub(crate) auth: Auth,
    /// Sent with each request.
    pub(crate) headers: Vec<(String, SecretText)>,
    pub(crate) tls: Tls,
}

#[derive(Clone, Debug)]
pub(crate) enum Auth {
    None,
    Bearer(SecretText),
    OAuth2 {
        client_id: SecretText,
        client_secret: SecretText,
        /// Absent: the catalog's own `/v1/oauth/tokens`.
        token_uri: Option<Url>,
        scope: String,
    },
}

/// Files in PEM, relative to the root of the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// Certificates to trust beside the public ones.
    pub(crate) ca_file: Option<String>,
    /// The client's own certificate, and its key.
    pub(crate) cert_file: Option<String>,
    pub(crate) key_file: Option<String>,
}

/// Checks one catalog's settings.
pub(crate) fn validate(settings: &Located) -> Diagnostics {
    decode(settings).1
}

/// The settings, if none is in error, and everything found on the way.
pub(crate) fn decode(located: &Located) -> (Option<Settings>, Diagnostics) {
    let mut reader = Reader { located, found: Diagnostics::default() };
    let settings = reader.settings();
    (settings.filter(|_| !reader.found.has_errors()), reader.found)
}

/// Whether a host can only be this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(is_loopback_host)
}

const SQL_KEYS: &[&str] = &["catalog", "name", "uri", "warehouse"];
const REST_KEYS: &[&str] = &["catalog", "uri", "warehouse", "auth", "headers", "tls", "insecure"];
/// What requests are made of: to set them from outside would break or reveal something.
const OWN_HEADERS: &[&str] = &[
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "if-none-match",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

struct Reader<'a> {
    located: &'a Located,
    found: Diagnostics,
}

impl<'a> Reader<'a> {
    fn settings(&mut self) -> Option<Settings> {
        let Value::Object(top) = &self.located.value else {
            self.wrong(&[], "The settings of a catalog must be a map.".into(), "Its first key is `catalog`.");
            return None;
        };
        match top.get("catalog").and_then(Value::as_str) {
            Some("sql") => {
                self.known(top, &[], SQL_KEYS);
                self.sql(top).map(Settings::Sql)
            }
            Some("rest") => {
                self.known(top, &[], REST_KEYS);
                self.rest(top).map(|rest| Settings::Rest(Box::new(rest)))
            }
            _ => {
                let why = "`catalog` says which kind of catalog this is, and must be `sql` or `rest`.";
                self.wrong(&["catalog"], why.into(), "Write `catalog: sql` or `catalog: rest`.");
                None
            }
        }
    }

    fn wrong(&mut self, path: &[&str], why: String, help: &str) {
        let place = self.located.spans.at(path);
        self.found.push(Diagnostic::error(SETTINGS, why).at(place, "here").help(help));
    }

    fn known(&mut self, map: &Map<String, Value>, path: &[&str], known: &[&str]) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let mut at = path.to_vec();
            at.push(key);
            let near = known.iter().find(|name| strsim::damerau_levenshtein(name, key) <= 2);
            let help = match near {
                Some(near) => format!("Did you mean `{near}`?"),
                None => format!("The keys here are {}.", list(known)),
            };
            let detail = format!("`{key}` is no setting of this kind of catalog.");
            let place = self.located.spans.at(&at);
            self.found.push(Diagnostic::error(UNKNOWN_SETTING, detail).at(place, "unknown key").help(help));
        }
    }

    fn map(&mut self, value: &'a Value, path: &[&str], known: &[&str]) -> Option<&'a Map<String, Value>> {
        let Value::Object(map) = value else {
            let name = path.last().copied().unwrap_or_default();
            self.wrong(path, format!("`{name}` must be a map."), &format!("Its keys are {}.", list(known)));
            return None;
        };
        self.known(map, path, known);
        Some(map)
    }

    fn text(&mut self, map: &'a Map<String, Value>, path: &[&str], key: &str) -> Option<&'a str> {
        let value = map.get(key)?;
        let text = value.as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            let mut at = path.to_vec();
            at.push(key);
            self.wrong(&at, format!("`{key}` must be a text that is not empty."), "Write a text, in quotes.");
        }
        text
    }

    fn needed(
        &mut self,
        map: &'a Map<String, Value>,
        path: &[&str],
        key: &str,
        help: &str,
    ) -> Option<&'a str> {
        if !map.contains_key(key) {
            self.wrong(path, format!("`{key}` is missing."), help);
            return None;
        }
        self.text(map, path, key)
    }

    fn sql(&mut self, map: &'a Map<String, Value>) -> Option<Sql> {
        let name = self.needed(
            map,
            &[],
            "name",
            "Write the catalog's name, which is part of every key in the database.",
        );
        let uri = self.needed(map, &[], "uri", "Write where the database is: `uri: \"sqlite:PATH\"`.");
        let warehouse =
            self.needed(map, &[], "warehouse", "Write where the tables lie: `warehouse: \"file:PATH\"`.");
        let database = uri.and_then(|uri| self.database(uri));
        let warehouse = warehouse.and_then(|text| {
            let why = match location::problem(text) {
                Some(why) => why,
                None if text.starts_with("file:") => return Some(location::normalize(text)),
                None => "a SQL catalog keeps its tables in local files in this version",
            };
            let help = "Write `warehouse: \"file:PATH\"`; for object storage use a REST catalog.";
            self.wrong(&["warehouse"], format!("The warehouse cannot be used: {why}."), help);
            None
        });
        Some(Sql { name: name?.to_owned(), database: database?, warehouse: warehouse? })
    }

    fn database(&mut self, uri: &str) -> Option<String> {
        let help = "Write `uri: \"sqlite:PATH\"`; a relative PATH is relative to the mesh's root.";
        let Some(path) = uri.strip_prefix("sqlite:") else {
            self.wrong(
                &["uri"],
                "`uri` is not that of a SQLite database, the only kind there is here.".into(),
                help,
            );
            return None;
        };
        // Tools disagree on how many slashes a relative path has after `sqlite:`, so none of the long forms is taken.
        let why = if path.starts_with("//") {
            "it begins with `sqlite://`, which tools read in different ways"
        } else if path.is_empty() || path.starts_with(':') {
            "it names no file; a database in memory would be gone after the run"
        } else if path.contains(|c: char| c.is_control() || c == '?' || c == '#') {
            "its path has a `?`, a `#` or a control character"
        } else {
            return Some(path.to_owned());
        };
        self.wrong(&["uri"], format!("`uri` cannot be used: {why}."), help);
        None
    }

    fn rest(&mut self, map: &'a Map<String, Value>) -> Option<Rest> {
        let insecure = match map.get("insecure") {
            None => false,
            Some(Value::Bool(value)) => *value,
            Some(_) => {
                self.wrong(
                    &["insecure"],
                    "`insecure` must be `true` or `false`.".into(),
                    "Write it without quotes.",
                );
                false
            }
        };
        let uri =
            self.needed(map, &[], "uri", "Write where the catalog is: `uri: https://…`, without `/v1`.");
        let uri = uri.and_then(|text| self.url(text, &["uri"], insecure));
        let warehouse = self.text(map, &[], "warehouse").map(str::to_owned);
        let auth = map.get("auth").map_or(Some(Auth::None), |auth| self.auth(auth, insecure));
        let headers = map.get("headers").map_or_else(Vec::new, |headers| self.headers(headers));
        let tls = map.get("tls").map_or_else(Tls::default, |tls| self.tls(tls));
        Some(Rest { uri: uri?, warehouse, auth: auth?, headers, tls })
    }

    fn headers(&mut self, value: &'a Value) -> Vec<(String, SecretText)> {
        let Value::Object(map) = value else {
            self.wrong(
                &["headers"],
                "`headers` must be a map.".into(),
                "Write `headers: { x-tenant: acme }`.",
            );
            return Vec::new();
        };
        let mut headers = Vec::new();
        for (name, value) in map {
            let path = ["headers", name];
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            let lower = name.to_ascii_lowercase();
            if name.is_empty() || !name.bytes().all(token) {
                let help = "Letters, digits and `-` make one, such as `x-tenant`.";
                self.wrong(&path, format!("`{name}` is no name of a header."), help);
            } else if OWN_HEADERS.contains(&lower.as_str()) {
                let help = "Credentials go to `auth`; the rest is part of each request already.";
                self.wrong(&path, format!("The header `{name}` cannot be set here."), help);
            } else if let Some(text) = value.as_str().filter(|text| !text.chars().any(char::is_control)) {
                headers.push((lower, SecretText::new(text)));
            } else {
                self.wrong(
                    &path,
                    format!("`{name}` must be a text of one line."),
                    "Write a text, in quotes.",
                );
            }
        }
        headers
    }

    /// The text may hold a password: it is never repeated, only marked.
    fn url(&mut self, text: &str, path: &[&str], insecure: bool) -> Option<Url> {
        let key = path.last().copied().unwrap_or_default();
        let mut url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => {
                let help = "Write an address such as `https://catalog.example.com`.";
                self.wrong(path, format!("`{key}` is not an absolute http or https URL."), help);
                return None;
            }
        };
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            let help = "Take out what stands before `@` and after `?` or `#`; credentials go to `auth`.";
            self.wrong(path, format!("`{key}` carries a user, a password, a query or a fragment."), help);
            return None;
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            if !insecure {
                let help = "Use `https`. Where that is impossible, `insecure: true` allows plain `http`.";
                self.wrong(path, "Plain `http` is for this machine only.".into(), help);
                return None;
            }
            let detail =
                "Table metadata and credentials travel in plain `http`, readable for everybody on the way.";
            let place = self.located.spans.at(path);
            self.found.push(
                Diagnostic::warning(INSECURE, detail)
                    .at(place, "not encrypted")
                    .help("Use an `https` URL, and `tls.ca_file` where the certificate is your own."),
            );
        }
        let trimmed = url.path().trim_end_matches('/').to_owned();
        url.set_path(&trimmed);
        Some(url)
    }

    fn auth(&mut self, value: &'a Value, insecure: bool) -> Option<Auth> {
        let map = self.map(value, &["auth"], &["bearer", "oauth2"])?;
        match (map.get("bearer"), map.get("oauth2")) {
            (Some(_), None) => {
                let token = self.text(map, &["auth"], "bearer")?;
                Some(Auth::Bearer(SecretText::new(token)))
            }
            (None, Some(value)) => self.oauth2(value, insecure),
            _ => {
                let help =
                    "Write `{ bearer: \"${env:TOKEN}\" }` or `{ oauth2: { client_id, client_secret } }`.";
                self.wrong(&["auth"], "`auth` needs exactly one of `bearer` and `oauth2`.".into(), help);
                None
            }
        }
    }

    fn oauth2(&mut self, value: &'a Value, insecure: bool) -> Option<Auth> {
        let path = ["auth", "oauth2"];
        let map = self.map(value, &path, &["client_id", "client_secret", "token_uri", "scope"])?;
        let id = self.needed(map, &path, "client_id", "Write the client's id, or a reference to it.");
        let secret =
            self.needed(map, &path, "client_secret", "Write it as a reference: `\"${env:CATALOG_SECRET}\"`.");
        let token_uri = match self.text(map, &path, "token_uri") {
            Some(text) => Some(self.url(text, &["auth", "oauth2", "token_uri"], insecure)?),
            None => None,
        };
        // The scope the REST specification names as the default.
        let scope = self.text(map, &path, "scope").unwrap_or("catalog").to_owned();
        Some(Auth::OAuth2 {
            client_id: SecretText::new(id?),
            client_secret: SecretText::new(secret?),
            token_uri,
            scope,
        })
    }

    fn tls(&mut self, value: &'a Value) -> Tls {
        let path = ["tls"];
        let Some(map) = self.map(value, &path, &["ca_file", "cert_file", "key_file"]) else {
            return Tls::default();
        };
        let mut file = |key| self.text(map, &path, key).map(str::to_owned);
        let tls = Tls { ca_file: file("ca_file"), cert_file: file("cert_file"), key_file: file("key_file") };
        if tls.cert_file.is_some() != tls.key_file.is_some() {
            let why = "A client certificate needs `cert_file` and `key_file`.";
            self.wrong(&path, why.into(), "Write both, or neither.");
        }
        tls
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// JSON Schema of one catalog's settings.
pub(crate) fn schema() -> Value {
    let text = |about: &str| json!({"type": "string", "minLength": 1, "description": about});
    let secret = "A reference: ${env:NAME} or ${file:PATH}.";
    let auth = json!({"oneOf": [
        {"type": "object", "additionalProperties": false, "required": ["bearer"],
         "properties": {"bearer": text(secret)}},
        {"type": "object", "additionalProperties": false, "required": ["oauth2"], "properties": {"oauth2": {
            "type": "object", "additionalProperties": false, "required": ["client_id", "client_secret"],
            "properties": {
                "client_id": text("The client's id."),
                "client_secret": text(secret),
                "token_uri": text("Where tokens are issued; the catalog's own address when absent."),
                "scope": {"type": "string", "default": "catalog", "description": "What the token is for."},
            },
        }}},
    ]});
    let tls = json!({"type": "object", "additionalProperties": false, "properties": {
        "ca_file": text("Certificates to trust beside the public ones, in PEM."),
        "cert_file": text("The client's certificate, in PEM."),
        "key_file": text("The key of the client's certificate, in PEM."),
    }, "dependentRequired": {"cert_file": ["key_file"], "key_file": ["cert_file"]}});
    json!({"description": "An Iceberg catalog.", "oneOf": [
        {"type": "object", "additionalProperties": false, "required": ["catalog", "name", "uri", "warehouse"],
         "properties": {
            "catalog": {"const": "sql", "description": "A catalog in a SQLite database."},
            "name": text("The catalog's name: part of every key in the database."),
            "uri": {"type": "string", "pattern": "^sqlite:[^/:?#]|^sqlite:/[^/]",
                    "description": "sqlite:PATH, relative to the mesh's root."},
            "warehouse": {"type": "string", "pattern": "^file:",
                          "description": "Where tables lie: file:PATH, relative to the mesh's root."},
         }},
        {"type": "object", "additionalProperties": false, "required": ["catalog", "uri"], "properties": {
            "catalog": {"const": "rest", "description": "A catalog behind the Iceberg REST API."},
            "uri": text("Where the API begins, without /v1. https, unless the host is this machine."),
            "warehouse": text("Which of the server's warehouses."),
            "auth": auth,
            "headers": {"type": "object", "additionalProperties": {"type": "string"},
                        "description": "Sent with each request; values may be references."},
            "tls": tls,
            "insecure": {"type": "boolean", "default": false, "description": "Allows plain http to another machine."},
        }},
    ]})
}

#[cfg(test)]
mod tests;
