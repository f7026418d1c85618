//! "Did you mean".

/// More candidates of a fitting length than this are not looked at: comparing is slow, and one suggestion is enough.
const CANDIDATES: usize = 500;

/// The candidate that is most like the word, if one is like enough.
fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let near = (lower.chars().count() / 3).clamp(1, 3);
    let fitting =
        candidates.into_iter().filter(|candidate| candidate.len().abs_diff(lower.len()) <= near + 1);
    let scored = fitting
        .take(CANDIDATES)
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate));
    scored.filter(|(distance, _)| *distance <= near).min().map(|(_, candidate)| candidate)
}

/// "Did you mean …", or else what is said when nothing is near.
pub fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    closest(word, candidates).map_or_else(otherwise, |found| format!("Did you mean `{found}`?"))
}
