//! Selectors: which addresses a flag or a `Removed` document means.
//!
//! An address glob is matched against the whole address; `*` stops at `/` `@` `:` `.`, `**` does not. Beside it
//! there are `type:kafka_topic`, `domain:orders` and `product:orders/facts@3` (or without `@3`, or the bare name).

use datamesh_provider::Address;
use std::fmt;
use std::str::FromStr;

/// A selector over addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressGlob {
    text: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// No wildcard: exactly this address.
    Exactly(Box<Address>),
    Glob(Vec<Piece>),
    Type(Vec<Piece>),
    Domain(Vec<Piece>),
    /// Over `domain/product@version`.
    Product(Vec<Piece>),
    /// Over `domain/product`, any version.
    AnyVersion(Vec<Piece>),
    /// Over the bare name, any domain and version.
    ProductName(Vec<Piece>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Is(char),
    /// `*`
    Within,
    /// `**`
    Across,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` selects nothing: {why}")]
pub struct SelectorError {
    pub text: String,
    pub why: &'static str,
}

impl AddressGlob {
    /// Reads a selector.
    ///
    /// # Errors
    ///
    /// [`SelectorError`] for what can match no address: an empty text, one with white space or control characters,
    /// or one without the `:` that every address has.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let wrong = |why| Err(SelectorError { text: text.to_owned(), why });
        if text.is_empty() {
            return wrong("it is empty");
        }
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return wrong("an address has no white space and no characters beyond ASCII");
        }
        let what = match keyword(text) {
            Some(("type", value)) => What::Type(pieces(value)),
            Some(("domain", value)) => What::Domain(pieces(value)),
            Some((_, value)) if value.contains('@') => What::Product(pieces(value)),
            Some((_, value)) if value.contains('/') => What::AnyVersion(pieces(value)),
            Some((_, value)) => What::ProductName(pieces(value)),
            None if !text.contains('*') => match text.parse() {
                Ok(address) => What::Exactly(Box::new(address)),
                Err(_) if !text.contains(':') => {
                    return wrong(
                        "an address has a `:` before its type; everything of a product is `domain/product@1:**`",
                    );
                }
                Err(_) => return wrong("an address looks like `domain/product@1:kafka_topic.kafka`"),
            },
            None if !text.contains(':') && !text.contains("**") => {
                return wrong(
                    "an address has a `:` before its type; everything of a product is `domain/product@1:**`",
                );
            }
            None => What::Glob(pieces(text)),
        };
        Ok(Self { text: text.to_owned(), what })
    }

    /// Whether the address is meant.
    pub fn matches(&self, address: &Address) -> bool {
        let product = address.product();
        match &self.what {
            What::Exactly(one) => **one == *address,
            What::Glob(glob) => fits(glob, &address.to_string()),
            What::Type(glob) => fits(glob, address.ty().as_str()),
            What::Domain(glob) => fits(glob, address.domain()),
            What::Product(glob) => product.is_some() && fits(glob, &address.owner()),
            What::AnyVersion(glob) => {
                product.is_some_and(|(name, _)| fits(glob, &format!("{}/{name}", address.domain())))
            }
            What::ProductName(glob) => product.is_some_and(|(name, _)| fits(glob, name)),
        }
    }

    /// The one address it means, where it has no wildcard and no keyword.
    pub fn exactly(&self) -> Option<&Address> {
        match &self.what {
            What::Exactly(address) => Some(address),
            _ => None,
        }
    }

    /// The owner (`domain/product@version`, or `domain`) that every address it matches has, where there is only one.
    pub fn only_owner(&self) -> Option<&str> {
        let literal = match &self.what {
            What::Exactly(_) | What::Glob(_) => self.text.split_once(':')?.0,
            What::Product(_) => self.text.split_once(':')?.1,
            _ => return None,
        };
        (!literal.contains('*')).then_some(literal)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for AddressGlob {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Self::parse(text)
    }
}

impl fmt::Display for AddressGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `type:kafka_topic` → `type`, `kafka_topic`. With a `.` it is the address of a domain that has such a name.
fn keyword(text: &str) -> Option<(&str, &str)> {
    let (word, value) = text.split_once(':')?;
    let known = matches!(word, "type" | "domain" | "product");
    (known && !value.is_empty() && !value.contains('.')).then_some((word, value))
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut all = Vec::with_capacity(text.len());
    for c in text.chars() {
        match (c, all.last()) {
            ('*', Some(Piece::Within)) => {
                all.pop();
                all.push(Piece::Across);
            }
            ('*', Some(Piece::Across)) => {}
            ('*', _) => all.push(Piece::Within),
            (c, _) => all.push(Piece::Is(c)),
        }
    }
    all
}

/// Matches by keeping the set of reachable pattern positions: no backtracking, so no pattern is slow.
fn fits(pattern: &[Piece], text: &str) -> bool {
    let mut reached = vec![false; pattern.len() + 1];
    reached[0] = true;
    skip_stars(pattern, &mut reached);
    for c in text.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for (at, piece) in pattern.iter().enumerate().filter(|(at, _)| reached[*at]) {
            match piece {
                Piece::Is(wanted) if *wanted == c => next[at + 1] = true,
                Piece::Within if !matches!(c, '/' | '@' | ':' | '.') => next[at] = true,
                Piece::Across => next[at] = true,
                _ => {}
            }
        }
        skip_stars(pattern, &mut next);
        reached = next;
    }
    reached[pattern.len()]
}

/// A star may stand for nothing.
fn skip_stars(pattern: &[Piece], reached: &mut [bool]) {
    for (at, piece) in pattern.iter().enumerate() {
        if reached[at] && !matches!(piece, Piece::Is(_)) {
            reached[at + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, address: &str) -> bool {
        AddressGlob::parse(pattern).expect(pattern).matches(&address.parse().expect(address))
    }

    const TOPIC: &str = "orders/facts@2:kafka_topic.kafka";

    #[test]
    fn one_star_stops_at_separators_and_two_do_not() {
        for pattern in [
            TOPIC,
            "orders/facts@2:**",
            "**",
            "orders/*@2:kafka_topic.*",
            "orders/facts@*:**",
            "*/*@*:*.*",
            "orders/**",
            "**.kafka",
            "orders/fa*s@2:kafka_topic.k*",
            "***",
        ] {
            assert!(matches(pattern, TOPIC), "{pattern}");
        }
        for pattern in
            ["orders/facts@2:*", "orders*:**z", "*:**", "orders/facts@3:**", "orders/facts@2:kafka_topic.k"]
        {
            assert!(!matches(pattern, TOPIC), "{pattern}");
        }
    }

    #[test]
    fn keywords_select_by_one_part() {
        for pattern in [
            "type:kafka_topic",
            "type:kafka_*",
            "domain:orders",
            "product:orders/facts@2",
            "product:orders/facts",
            "product:facts",
            "product:orders/*",
            "product:f*",
        ] {
            assert!(matches(pattern, TOPIC), "{pattern}");
        }
        for pattern in ["type:kafka", "domain:order", "product:orders/facts@1", "product:fact"] {
            assert!(!matches(pattern, TOPIC), "{pattern}");
        }
        assert!(!matches("product:*", "orders:catalog_domain.self"));
        assert!(matches("domain:orders", "orders:catalog_domain.self"));
        assert!(matches("domain:catalog_domain.self", "domain:catalog_domain.self"));
    }

    #[test]
    fn the_owner_is_known_where_it_is_spelled() {
        let owner = |text: &str| AddressGlob::parse(text).expect(text).only_owner().map(str::to_owned);
        assert_eq!(owner("orders/facts@2:**").as_deref(), Some("orders/facts@2"));
        assert_eq!(owner(TOPIC).as_deref(), Some("orders/facts@2"));
        assert_eq!(owner("product:orders/facts@2").as_deref(), Some("orders/facts@2"));
        for text in ["orders/*@2:**", "**", "type:kafka_topic", "domain:orders", "product:facts"] {
            assert_eq!(owner(text), None, "{text}");
        }
    }

    #[test]
    fn what_can_match_nothing_is_refused() {
        for text in ["", "orders/facts@2", "a b:c", "ö:*", "orders/facts:kafka_topic.x", "orders/*"] {
            assert!(AddressGlob::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn no_pattern_is_slow() {
        let pattern = format!("{}z:**", "**a".repeat(300));
        let address = format!("{}:catalog_domain.{}", "a".repeat(200), "a".repeat(1000));
        assert!(!matches(&pattern, &address));
    }
}
