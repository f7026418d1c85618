//! Service levels, dates, and other plain values of a product.

use crate::graph::codes;
use crate::graph::domains::Domains;
use crate::graph::products::{Product, Products, parse_owner};
use crate::manifest::model::{Opt, Slo};
use crate::manifest::values::Scalar;
use datamesh_provider::{Diagnostic, Diagnostics, Spanned, parse_duration_ms};
use jiff::civil::Date;
use serde_json::{Map, Value, json};

/// The service levels in effect, as the catalog shows them: texts as written.
pub(crate) fn slo(base: Option<&Slo>, over: Option<&Slo>, found: &mut Diagnostics) -> Option<Value> {
    for slo in [base, over].into_iter().flatten() {
        check(slo, found);
    }
    let pick = |get: fn(&Slo) -> Option<&str>| over.and_then(get).or_else(|| base.and_then(get));
    let mut out = Map::new();
    let mut put = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            out.insert(key.to_owned(), value.into());
        }
    };
    put("freshness", pick(|s| s.freshness.as_ref().map(|v| v.value.as_str())));
    put("availability", pick(|s| s.availability.as_ref().map(|v| v.value.as_str())));
    put("quality_score", pick(|s| s.quality_score.as_ref().map(|v| v.value.as_str())));
    put("completeness", pick(|s| s.completeness.as_ref().map(|v| v.value.as_str())));
    let checks =
        [over, base].into_iter().flatten().map(|slo| &slo.quality_checks).find(|all| !all.is_empty());
    if let Some(checks) = checks {
        out.insert("quality_checks".into(), checks.iter().map(|c| c.value.as_str()).collect());
    }
    (!out.is_empty()).then_some(Value::Object(out))
}

fn check(slo: &Slo, found: &mut Diagnostics) {
    if let Some(freshness) = &slo.freshness {
        duration(freshness, "freshness", found);
    }
    if let Some(availability) = &slo.availability {
        percentage(availability, found);
    }
    share(&slo.quality_score, "quality_score", found);
    share(&slo.completeness, "completeness", found);
}

/// Milliseconds of a duration (`None`: forever), or a finding.
pub(crate) fn duration(text: &Spanned<String>, key: &str, found: &mut Diagnostics) -> Option<Option<u64>> {
    match parse_duration_ms(text) {
        Ok(ms) => Some(ms),
        Err(error) => {
            let detail = format!("`{key}: {}` is not possible: {error}.", text.value);
            found.push(
                Diagnostic::error(codes::BAD_DURATION, detail)
                    .on(text, "not a duration")
                    .help("Write a number and a unit, such as `15m`, `7d` or `3_months`; `m` is minutes."),
            );
            None
        }
    }
}

/// A plain decimal number: no `inf`, no `NaN`, no sign.
fn number(text: &str) -> Option<f64> {
    let plain =
        text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.bytes().any(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// A number without what binary fractions add to it: 0.999 × 100 is 99.9.
fn shown(number: f64) -> String {
    let text = format!("{number:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn percentage(value: &Spanned<Scalar>, found: &mut Diagnostics) {
    let text = value.as_str().trim();
    let percent = text.strip_suffix('%').map(str::trim);
    let meaning = match (number(percent.unwrap_or(text)), percent) {
        (Some(n), Some(_)) if (0.0..=100.0).contains(&n) => return,
        (Some(n), None) if n > 1.0 && n <= 100.0 => return,
        (Some(n), None) if n > 0.0 && n <= 1.0 => {
            format!("`{}%` is probably meant: write that.", shown(n * 100.0))
        }
        _ => "Write a percentage, such as `99.9%`.".to_owned(),
    };
    let detail =
        format!("`availability: {text}` is not possible: it is a percentage up to 100, such as `99.9%`.");
    found.push(Diagnostic::error(codes::BAD_SLO, detail).on(value, "out of range").help(meaning));
}

/// From here on a share was probably meant as a percentage; just above 1 it is a slip of another kind.
const LIKELY_PERCENT: f64 = 20.0;

fn share(value: &Opt<Scalar>, key: &str, found: &mut Diagnostics) {
    let Some(value) = value else { return };
    let text = value.as_str().trim();
    let percent = text.strip_suffix('%').map(str::trim);
    let meaning = match (number(percent.unwrap_or(text)), percent) {
        (Some(n), None) if (0.0..=1.0).contains(&n) => return,
        (Some(n), percent) if n <= 100.0 && (percent.is_some() || n >= LIKELY_PERCENT) => {
            format!("`{}` is probably meant: write that.", shown(n / 100.0))
        }
        _ => "Write a number from 0 to 1, such as `0.95`.".to_owned(),
    };
    let detail = format!("`{key}: {text}` is not possible: it is a share from 0 to 1.");
    found.push(Diagnostic::error(codes::BAD_SLO, detail).on(value, "out of range").help(meaning));
}

/// A date, written `YYYY-MM-DD`.
fn date(text: &Spanned<String>, found: &mut Diagnostics) -> Option<Date> {
    let shape = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let date = text.parse::<Date>().ok().filter(|_| shape);
    if date.is_none() {
        found.push(
            Diagnostic::error(codes::BAD_DATE, format!("`{}` is not a date.", text.value))
                .on(text, "not a date")
                .help("Write `YYYY-MM-DD`, such as `2026-01-31`."),
        );
    }
    date
}

/// `deprecated`, checked, as the catalog shows it.
pub(crate) fn deprecated(
    product: &Product<'_>,
    domains: &Domains<'_>,
    products: &Products<'_>,
    found: &mut Diagnostics,
) -> Option<Value> {
    let deprecated = product.doc.spec.deprecated.as_ref()?;
    let since = deprecated.since.as_ref().and_then(|text| date(text, found));
    let sunset = deprecated.sunset.as_ref().and_then(|text| date(text, found));
    if let (Some(since), Some(sunset)) = (since, sunset)
        && sunset < since
    {
        let detail = format!("The product would end on {sunset}, before it is deprecated on {since}.");
        let place = deprecated.sunset.as_ref().and_then(|text| text.span);
        let other = deprecated.since.as_ref().and_then(|text| text.span);
        found.push(Diagnostic::error(codes::BAD_DATE, detail).at(place, "earlier").at(other, "later"));
    }
    if let Some(next) = &deprecated.replaced_by {
        replaced_by(product, next, domains, products, found);
    }
    let mut out = Map::new();
    let parts = [
        ("since", &deprecated.since),
        ("sunset", &deprecated.sunset),
        ("replaced_by", &deprecated.replaced_by),
    ];
    for (key, value) in parts {
        if let Some(value) = value {
            out.insert(key.to_owned(), json!(value.value));
        }
    }
    Some(Value::Object(out))
}

fn replaced_by(
    product: &Product<'_>,
    next: &Spanned<String>,
    domains: &Domains<'_>,
    products: &Products<'_>,
    found: &mut Diagnostics,
) {
    let Some((domain, name, version)) = parse_owner(next) else {
        let detail = format!("`{}` names no version of a product.", next.value);
        let example =
            format!("{}/{}@{}", product.domain_name, product.name, product.version.saturating_add(1));
        let wrong = Diagnostic::error(codes::BAD_REFERENCE, detail).on(next, "not `domain/product@version`");
        found.push(wrong.help(format!("Write `domain/product@version`, such as `{example}`.")));
        return;
    };
    let index = domains.find(domain);
    let declared = |domain| {
        products.find(domain, name, version).is_some()
            || products.is_elsewhere(domain, name, version)
            || products.is_broken(domain, name, version)
    };
    if index.is_some_and(declared) {
        return;
    }
    let detail = format!("No manifest declares `{}`.", next.value);
    let help = "Correct the name, or leave it away until the successor is declared.";
    found.push(Diagnostic::warning(codes::BAD_REFERENCE, detail).on(next, "not declared").help(help));
}
