//! Locations: one spelling for each, and which of them lies under which.

/// The canonical spelling: no trailing slash, and `file:///path` for each way to write a local path.
///
/// Relative local paths (`file:warehouse`) stay relative; only who knows the root can make them absolute.
pub(crate) fn normalize(text: &str) -> String {
    let text = text.trim();
    // Some writers leave the scheme out.
    let bare = text.starts_with('/').then_some(text);
    let Some(path) = text.strip_prefix("file:").or(bare) else {
        return match text.trim_end_matches('/') {
            // `s3://` alone is all scheme and no location: left as it is for the error message.
            stripped if stripped.ends_with(':') => text.to_owned(),
            stripped => stripped.to_owned(),
        };
    };
    let path = path.strip_prefix("//localhost/").map_or_else(
        || match path.trim_start_matches('/') {
            rest if rest.len() == path.len() => rest.to_owned(),
            rest => format!("/{rest}"),
        },
        |rest| format!("/{rest}"),
    );
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if path.starts_with('/') {
        format!("file:///{}", parts.join("/"))
    } else {
        format!("file:{}", parts.join("/"))
    }
}

/// What is wrong with a declared location, if anything.
pub(crate) fn problem(text: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Some("it has no scheme; a location looks like `s3://bucket/path` or `file:path`");
    };
    if scheme.is_empty() || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
        return Some("its scheme is not one; a location looks like `s3://bucket/path` or `file:path`");
    }
    if rest.trim_matches('/').is_empty() {
        return Some("it names no folder");
    }
    if rest.split('/').any(|part| part == "." || part == "..") {
        return Some("it has a `.` or `..` in its path");
    }
    let odd = |c: char| c.is_control() || matches!(c, '?' | '#' | '\\' | '%');
    if rest.contains(odd) {
        return Some("it has a `?`, `#`, `%`, `\\` or a control character");
    }
    None
}

/// Whether `inner` is `outer` or lies under it, by whole path segments. Both canonical.
pub(crate) fn is_under(inner: &str, outer: &str) -> bool {
    let outer = outer.trim_end_matches('/');
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The canonical spelling with relative local paths made absolute against `root`.
pub(crate) fn absolute(text: &str, root: &std::path::Path) -> String {
    let text = normalize(text);
    match text.strip_prefix("file:") {
        Some(path) if !path.starts_with('/') => normalize(&format!("file:{}/{path}", root.display())),
        _ => text,
    }
}

/// The local path of a canonical, absolute `file:` location.
pub(crate) fn local_path(text: &str) -> Option<std::path::PathBuf> {
    normalize(text).strip_prefix("file://").map(std::path::PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_write_a_local_path_becomes_one() {
        for text in ["file:/a/b", "file:///a/b/", "file://localhost/a/b", "file:/a//b/./", "/a/b"] {
            assert_eq!(normalize(text), "file:///a/b", "{text}");
        }
        assert_eq!(normalize("file:a/b/"), "file:a/b");
        assert_eq!(normalize("s3://bucket/p//"), "s3://bucket/p");
        assert_eq!(normalize("s3://"), "s3://");
    }

    #[test]
    fn what_is_no_location_says_why() {
        for text in ["", "/a", "s3://", "file:", "file:a/../b", "s3://b/a?x", "s3://b/%2e%2e/x", ":x"] {
            assert!(problem(text).is_some(), "{text}");
        }
        for text in ["s3://b", "file:a", "file:///a/b", "gs://b/x y"] {
            assert_eq!(problem(text), None, "{text}");
        }
    }

    #[test]
    fn under_means_whole_segments() {
        assert!(is_under("s3://b/x", "s3://b"));
        assert!(is_under("s3://b", "s3://b/"));
        assert!(!is_under("s3://bucket/x", "s3://b"));
        assert_eq!(absolute("file:w/x", std::path::Path::new("/r")), "file:///r/w/x");
    }
}
