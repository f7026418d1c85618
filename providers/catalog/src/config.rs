//! The settings of the catalog in the Mesh document.
//!
//! ```yaml
//! catalog: { backend: portal, path: .datamesh/catalog }
//! ```

use crate::codes::{BAD_SETTING, NO_BACKEND, UNKNOWN_SETTING};
use datamesh_provider::{Diagnostic, Diagnostics, Located};
use serde_json::{Value, json};

/// The settings of a catalog, checked. There is one backend so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder of the portal, relative to the root of the mesh.
    pub path: String,
}

const KEYS: [&str; 2] = ["backend", "path"];

/// Checks the catalog's settings.
pub(crate) fn validate(settings: &Located) -> Diagnostics {
    decode(settings).1
}

/// The settings, if none is in error, and everything found on the way.
pub(crate) fn decode(located: &Located) -> (Option<Settings>, Diagnostics) {
    let mut found = Diagnostics::default();
    let mut wrong = |path: &[&str], why: &str, help: &str| {
        found.push(Diagnostic::error(BAD_SETTING, why).at(located.spans.at(path), "here").help(help));
    };
    let Value::Object(map) = &located.value else {
        wrong(&[], "`catalog` must be a map.", "Write `{ backend: portal, path: .datamesh/catalog }`.");
        return (None, found);
    };
    let backend = map.get("backend").map(Value::as_str);
    if !matches!(backend, Some(Some(_))) {
        wrong(&["backend"], "`backend` must name the kind of catalog.", "Write `backend: portal`.");
    }
    let portal = backend == Some(Some("portal"));
    let path = map.get("path").and_then(Value::as_str).filter(|path| !path.trim().is_empty());
    if portal && path.is_none() {
        let help = "Write a folder relative to the mesh root, such as `path: .datamesh/catalog`.";
        wrong(&["path"], "The portal needs `path`, the folder it is kept in.", help);
    }
    if let Some(Some(name)) = backend.filter(|_| !portal) {
        found.push(other_backend(name, located));
        return (None, found);
    }
    found.extend(map.keys().filter(|key| !KEYS.contains(&key.as_str())).map(|key| unknown(key, located)));
    let settings = path.map(|path| Settings { path: path.to_owned() }).filter(|_| !found.has_errors());
    (settings, found)
}

fn other_backend(name: &str, located: &Located) -> Diagnostic {
    let place = located.spans.at(&["backend"]);
    if name == "atlas" {
        let detail = "Apache Atlas is not supported by this version. Supported is `portal`, a folder of documents \
                      and pages.";
        return Diagnostic::error(NO_BACKEND, detail)
            .at(place, "not supported yet")
            .help("Write `{ backend: portal, path: .datamesh/catalog }`.");
    }
    let detail = format!("`{name}` is no kind of catalog that is known here.");
    Diagnostic::error(BAD_SETTING, detail).at(place, "unknown").help("Write `backend: portal`.")
}

fn unknown(key: &str, located: &Located) -> Diagnostic {
    let near = KEYS.iter().find(|name| strsim::damerau_levenshtein(name, key) <= 2);
    let help = near.map_or_else(
        || "The keys are `backend` and `path`.".to_owned(),
        |near| format!("Did you mean `{near}`?"),
    );
    Diagnostic::error(UNKNOWN_SETTING, format!("`{key}` is no setting of the portal."))
        .at(located.spans.at(&[key]), "unknown key")
        .help(help)
}

/// JSON Schema of the catalog's settings.
pub(crate) fn json_schema() -> Value {
    json!({
        "type": "object",
        "description": "The data catalog.",
        "additionalProperties": false,
        "required": ["backend", "path"],
        "properties": {
            "backend": {"const": "portal", "description": "A folder of JSON documents and static pages."},
            "path": {"type": "string", "minLength": 1, "description": "The folder, relative to the mesh root."},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> (Option<Settings>, Vec<(&'static str, String)>) {
        let (settings, found) = decode(&Located { value, ..Located::default() });
        let told =
            found.into_iter().map(|d| (d.code.id, format!("{} {}", d.detail, d.help.unwrap_or_default())));
        (settings, told.collect())
    }

    #[test]
    fn a_portal_has_a_folder() {
        let (settings, found) = read(json!({"backend": "portal", "path": "x/y"}));
        assert_eq!((settings, found), (Some(Settings { path: "x/y".into() }), vec![]));
    }

    #[test]
    fn what_cannot_work_is_told_with_a_way_out() {
        let cases = [
            (json!([]), "DM0570", "must be a map"),
            (json!({"path": "x"}), "DM0570", "`backend: portal`"),
            (json!({"backend": 7, "path": "x"}), "DM0570", "`backend`"),
            (json!({"backend": "portal"}), "DM0570", "`path`"),
            (json!({"backend": "portal", "path": " "}), "DM0570", "`path`"),
            (json!({"backend": "portal", "path": "x", "pth": 1}), "DM0571", "Did you mean `path`?"),
            (json!({"backend": "atlas", "url": "http://x"}), "DM0572", "not supported by this version"),
            (json!({"backend": "amundsen"}), "DM0570", "`amundsen`"),
        ];
        for (value, code, words) in cases {
            let (settings, found) = read(value.clone());
            assert_eq!((settings, found.len()), (None, 1), "{value}: {found:?}");
            assert!(found[0].0 == code && found[0].1.contains(words), "{value}: {found:?}");
        }
    }
}
