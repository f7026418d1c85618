//! The two addresses of a product that lead to a live system: its registry, and a table's location.

use crate::graph::codes;
use crate::graph::endpoints::{Place, bad_place, decode_segment, has_scheme};
use crate::graph::environment::ResolvedEnvironment;
use datamesh_provider::{Diagnostic, Span, Spanned, SystemName};
use serde_json::Value;

type Found<T> = Result<T, Box<Diagnostic>>;

fn setting(environment: &ResolvedEnvironment, system: &SystemName, key: &str) -> Option<Place> {
    let text = environment.systems.get(system)?.value.get(key).and_then(Value::as_str)?;
    Place::parse(text).ok().map(|place| place.absolute(&environment.root))
}

fn mapped(
    environment: &ResolvedEnvironment,
    place: &Place,
    span: Option<Span>,
) -> Found<(Place, Option<Span>)> {
    environment.endpoints.map(place).ok_or_else(|| {
        let detail = format!(
            "`{place}` is an absolute address, and the environment `{}` does not say what it means there.",
            environment.name
        );
        Box::new(
            Diagnostic::error(codes::UNMAPPED_ADDRESS, detail)
                .at(span, "not mapped")
                .at(environment.span, "this environment")
                .help(format!(
                    "Add an entry to its `endpoints`, such as `{place}: …`; `{place}: {place}` allows it as it is."
                )),
        )
    })
}

/// The registry and the subject of a `schema.registry` URL.
pub(crate) fn registry(
    environment: &ResolvedEnvironment,
    url: &Spanned<String>,
) -> Found<(SystemName, String)> {
    let place = Place::parse(url).map_err(|why| Box::new(bad_place(url, &why, url.span)))?;
    let split = place.split_last(2).filter(|(_, last)| last[0] == "subjects");
    let Some((base, subject)) = split.and_then(|(base, last)| Some((base, decode_segment(&last[1])?))) else {
        let detail = format!("`{}` does not say which subject is meant.", url.value);
        return Err(Box::new(
            Diagnostic::error(codes::BAD_ADDRESS, detail)
                .on(url, "no subject")
                .help("Let it end in `/subjects/<subject>`."),
        ));
    };
    let (target, entry) = mapped(environment, &base, url.span)?;
    let registries = environment.systems.keys().filter(|system| system.kind == "registry");
    let found =
        registries.clone().find(|system| setting(environment, system, "url").as_ref() == Some(&target));
    found.map(|system| (system.clone(), subject)).ok_or_else(|| {
        let detail = format!(
            "`{base}` leads to `{target}`, which is none of the registries of the environment `{}`; credentials \
             are only sent to those.",
            environment.name
        );
        let urls: Vec<String> =
            registries.filter_map(|s| setting(environment, s, "url")).map(|u| format!("`{u}`")).collect();
        let help = if urls.is_empty() {
            "Add the registry to the environment, under `registry.default.url`.".to_owned()
        } else {
            format!("Map it to one of {}.", urls.join(", "))
        };
        Box::new(
            Diagnostic::error(codes::OUTSIDE_SYSTEM, detail)
                .on(url, "this registry")
                .at(entry, "mapped here")
                .help(help),
        )
    })
}

/// Where a table's files are: mapped, absolute, without a trailing slash, within the catalog's warehouse.
pub(crate) fn location(
    environment: &ResolvedEnvironment,
    system: &SystemName,
    location: &Spanned<String>,
) -> Found<String> {
    let warehouse = setting(environment, system, "warehouse").ok_or_else(|| {
        let detail = format!(
            "{system} does not say where its warehouse is, so that this location cannot be checked to lie in it."
        );
        Box::new(
            Diagnostic::error(codes::OUTSIDE_SYSTEM, detail)
                .on(location, "this location")
                .at(environment.span, "this environment")
                .help("Give the catalog a `warehouse` address, or leave the location to the catalog."),
        )
    })?;
    let (target, entry) = if has_scheme(location) {
        let place =
            Place::parse(location).map_err(|why| Box::new(bad_place(location, &why, location.span)))?;
        mapped(environment, &place.absolute(&environment.root), location.span)?
    } else {
        // Without a scheme it is a path below the warehouse.
        let below =
            Place::segments_of(location).map_err(|why| Box::new(bad_place(location, &why, location.span)))?;
        (warehouse.join(&below), None)
    };
    if target.below(&warehouse).is_some_and(|rest| !rest.is_empty()) {
        return Ok(target.to_string());
    }
    let detail = format!(
        "The location `{}` is `{target}` in the environment `{}`, which is not below the warehouse `{warehouse}` of \
         {system}.",
        location.value, environment.name
    );
    Err(Box::new(
        Diagnostic::error(codes::OUTSIDE_SYSTEM, detail)
            .on(location, "this location")
            .at(entry, "mapped here")
            .help("Choose a location within the warehouse, or correct the `endpoints` of the environment."),
    ))
}
