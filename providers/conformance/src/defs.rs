//! The program's table of providers, on fakes: the same system names and types, a world file instead of servers.

use crate::fake::FakeSystem;
use crate::fake::plain::{ACL, DOMAIN, LINEAGE, NAMESPACE, PRODUCT, SUBJECT, TABLE, TOPIC};
use crate::fake::thing::THING;
use datamesh_provider::{
    BoxFuture, Code, Connect, ConnectRequest, Diagnostic, Diagnostics, ErrorKind, Located, Provider,
    ProviderDef, ProviderError, ResourceType,
};
use serde_json::{Value, json};
use std::sync::Arc;

const BAD_SETTINGS: Code = Code::new("DM0599", "the settings of a fake system are not right");

/// `{fake: PATH}`: the world file, relative to the mesh root.
fn world_file(settings: &Value) -> Result<&str, &'static str> {
    let map = settings.as_object().ok_or("they are not a map")?;
    match map.get("fake") {
        Some(Value::String(path)) if map.len() == 1 && !path.is_empty() => Ok(path),
        Some(_) => Err("there is more than `fake`, or it is not the path of a file"),
        None => Err("`fake` is missing"),
    }
}

fn validate_config(settings: &Located) -> Diagnostics {
    match world_file(&settings.value) {
        Ok(_) => Diagnostics::default(),
        Err(why) => {
            let detail = format!("This program runs on fake systems, and takes `fake: PATH` alone: {why}.");
            Diagnostic::error(BAD_SETTINGS, detail)
                .at(settings.spans.at(&[]), "these settings")
                .help("write `fake: world.json`")
                .into()
        }
    }
}

fn config_schema() -> Value {
    json!({
        "type": "object", "required": ["fake"], "additionalProperties": false,
        "properties": {"fake": {"type": "string", "description": "The world file, relative to the mesh root."}},
    })
}

fn connect(request: ConnectRequest) -> BoxFuture<'static, Result<Arc<dyn Provider>, ProviderError>> {
    Box::pin(async move {
        let path = world_file(&request.settings.value)
            .map_err(|why| ProviderError::new(ErrorKind::Config, request.name.clone(), "-").message(why))?;
        let provider: Arc<dyn Provider> =
            Arc::new(FakeSystem::in_file(&request.name, request.root.join(path)));
        Ok(provider)
    })
}

/// A provider of these types whose systems are fakes. The types may be the real ones: only the calls are not.
pub const fn on_fakes(system: &'static str, types: &'static [&'static dyn ResourceType]) -> ProviderDef {
    connected_by(system, types, connect)
}

/// The same where a test connects to systems of its own.
pub const fn connected_by(
    system: &'static str,
    types: &'static [&'static dyn ResourceType],
    connect: Connect,
) -> ProviderDef {
    ProviderDef { system, types, validate_config, config_schema, connect }
}

/// `kafka`, with `fake_thing` beside the topics.
pub static KAFKA: ProviderDef = on_fakes("kafka", &[&TOPIC, &ACL, &THING]);
/// `registry`.
pub static REGISTRY: ProviderDef = on_fakes("registry", &[&SUBJECT]);
/// `iceberg`.
pub static ICEBERG: ProviderDef = on_fakes("iceberg", &[&NAMESPACE, &TABLE]);
/// `catalog`.
pub static CATALOG: ProviderDef = on_fakes("catalog", &[&DOMAIN, &PRODUCT, &LINEAGE]);

/// All of them, with types that take any attributes.
pub fn defs() -> Vec<&'static ProviderDef> {
    vec![&KAFKA, &REGISTRY, &ICEBERG, &CATALOG]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_one_path() {
        let check = |value| validate_config(&Located { value, ..Located::default() }).len();
        assert_eq!(check(json!({"fake": "world.json"})), 0);
        for bad in
            [json!({}), json!({"fake": 1}), json!({"fake": ""}), json!({"fake": "x", "y": 1}), json!([])]
        {
            assert_eq!(check(bad.clone()), 1, "{bad}");
        }
    }
}
