//! "Did you mean".

/// The name nearest to `typed`, when it is near enough to be a slip of the finger; else the shortest that begins with
/// it.
pub(crate) fn did_you_mean<'a>(typed: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let lower = typed.to_ascii_lowercase().replace('_', ".");
    let close = |name: &str| strsim::damerau_levenshtein(&lower, &name.replace('_', "."));
    let (distance, nearest) = names.clone().map(|name| (close(name), name)).min()?;
    if distance <= 1 + typed.len() / 6 {
        return Some(nearest);
    }
    let begins = |name: &&str| name.strip_prefix(&lower).is_some_and(|rest| rest.starts_with('.'));
    names.filter(begins).min_by_key(|name| name.len())
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let names = ["retention.ms", "retention.bytes", "cleanup.policy"];
        assert_eq!(did_you_mean("retention_ms", names.into_iter()), Some("retention.ms"));
        assert_eq!(did_you_mean("retenton.ms", names.into_iter()), Some("retention.ms"));
        assert_eq!(did_you_mean("cleanup.polcy", names.into_iter()), Some("cleanup.policy"));
        assert_eq!(did_you_mean("confluent.tier.enable", names.into_iter()), None);
        assert_eq!(did_you_mean("retention", names.into_iter()), Some("retention.ms"));
        assert_eq!(did_you_mean("cleanup", names.into_iter()), Some("cleanup.policy"));
        assert_eq!(did_you_mean("policy", names.into_iter()), None);
    }
}
