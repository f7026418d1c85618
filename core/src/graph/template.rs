//! The default name of topics: a policy's template, or the built-in one.

use crate::graph::codes;
use crate::graph::topic::TEMPLATE;
use crate::manifest::{Load, Manifest};
use datamesh_provider::{Diagnostic, Diagnostics, Spanned};

const PLACEHOLDERS: &[&str] = &["domain", "product-name", "name", "version"];

/// The template that policies for everybody agree on.
pub(crate) fn of_policies(load: &Load, found: &mut Diagnostics) -> String {
    let mut chosen: Option<&Spanned<String>> = None;
    for loaded in &load.manifests {
        let Manifest::GovernancePolicy(policy) = &loaded.manifest else { continue };
        let naming = policy.spec.naming_conventions.as_ref().filter(|_| policy.spec.selector.is_none());
        let Some(template) = naming.and_then(|naming| naming.topics.as_ref()) else { continue };
        if let Some(why) = problem(template) {
            let detail = format!("`{}` is no template of topic names: {why}.", template.value);
            found.push(
                Diagnostic::error(codes::BAD_TEMPLATE, detail)
                    .on(template, "this template")
                    .help(format!("Write `{TEMPLATE}`, say, which is also the default.")),
            );
            continue;
        }
        match chosen {
            Some(first) if first.value != template.value => {
                let detail = "Two policies give different templates, so neither names the topics that are not \
                              spelled; the built-in one does.";
                let differ = Diagnostic::warning(codes::BAD_TEMPLATE, detail).on(template, "this one");
                found.push(differ.on(first, "and this one").help("Let one policy say it for everybody."));
                return TEMPLATE.to_owned();
            }
            Some(_) => {}
            None => chosen = Some(template),
        }
    }
    chosen.map_or_else(|| TEMPLATE.to_owned(), |template| template.value.clone())
}

fn problem(template: &str) -> Option<String> {
    let mut rest = template;
    let mut named = false;
    while let Some(at) = rest.find(['{', '}']) {
        let inner = rest[at..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let Some((name, after)) = inner else { return Some("its braces do not match".to_owned()) };
        if !PLACEHOLDERS.contains(&name) {
            return Some(format!("there is no placeholder `{{{name}}}`"));
        }
        named |= matches!(name, "product-name" | "name");
        rest = after;
    }
    (!named).then(|| "without `{product-name}` every product would get the same topic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn templates_have_known_placeholders() {
        assert_eq!(problem("{domain}.{product-name}.v{version}"), None);
        for text in ["{domain}.v{version}", "{domian}.{name}", "{name", "name}", "{}", "{name}{"] {
            assert!(problem(text).is_some(), "{text}");
        }
    }
}
