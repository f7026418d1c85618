//! The program's table of providers, on fakes: the same system names and types, a world file instead of servers.

use crate::fake::FakeSystem;
use crate::fake::plain::{DOMAIN, LINEAGE, NAMESPACE, PRODUCT, SUBJECT, TABLE, TOPIC};
use crate::fake::thing::THING;
use datamesh_provider::{
    BoxFuture, Code, ConnectRequest, Diagnostic, Diagnostics, ErrorKind, Located, Provider, ProviderDef,
    ProviderError,
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

/// `kafka`, with `fake_thing` beside the topics.
pub static KAFKA: ProviderDef =
    ProviderDef { system: "kafka", types: &[&TOPIC, &THING], validate_config, config_schema, connect };
/// `registry`.
pub static REGISTRY: ProviderDef =
    ProviderDef { system: "registry", types: &[&SUBJECT], validate_config, config_schema, connect };
/// `iceberg`.
pub static ICEBERG: ProviderDef =
    ProviderDef { system: "iceberg", types: &[&NAMESPACE, &TABLE], validate_config, config_schema, connect };
/// `catalog`.
pub static CATALOG: ProviderDef = ProviderDef {
    system: "catalog",
    types: &[&DOMAIN, &PRODUCT, &LINEAGE],
    validate_config,
    config_schema,
    connect,
};

/// All of them: what the program's own table holds, on fakes.
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
