//! How a plan differs from the one that was reviewed.

use super::attributes::lines;
use super::escape;
use super::human::plural;
use super::plan_human::{attribute_lines, begin_owner, glyph, heading, resource_name, style_of, verb};
use super::style::{DIM, paint};
use datamesh_core::plan::{ResourceChange, Unreviewed};
use datamesh_provider::AttributeChange;
use std::fmt::Write as _;

/// What was not reviewed, for people.
pub fn differences(differences: &[Unreviewed<'_>]) -> String {
    let mut out = String::new();
    heading(&mut out, "Not as reviewed", "What is planned now and was not reviewed, or not so.");
    let mut owner = String::new();
    for one in differences {
        begin_owner(&mut out, &mut owner, one.now.address.owner());
        let (name, id) = (resource_name(&one.now.address), escape::line(one.now.id.as_str()));
        let sign = paint(style_of(one.now.action), format!("{:>3}", glyph(one.now.action)));
        let _ = writeln!(out, "  {sign} {name}  {id}");
        match one.reviewed {
            None => remark(&mut out, "not reviewed: the reviewed plan does nothing about it"),
            Some(reviewed) => compared(&mut out, reviewed, one.now),
        }
        out.push('\n');
    }
    out
}

fn compared(out: &mut String, reviewed: &ResourceChange, now: &ResourceChange) {
    if reviewed.action != now.action {
        let (was, is) = (verb(reviewed.action), verb(now.action));
        return remark(out, &format!("reviewed was: {was}; now it is: {is}"));
    }
    let (was, is) = (only_in(reviewed, now), only_in(now, reviewed));
    if was.is_empty() && is.is_empty() {
        return remark(out, "the same attributes; what is recorded of it, or how it is done, differs");
    }
    for (title, attributes) in [("reviewed:", was), ("now:", is)] {
        remark(out, title);
        if attributes.is_empty() {
            remark(out, "    nothing of that");
        }
        for change in attributes {
            attribute_lines(out, &lines(change));
        }
    }
}

fn only_in<'a>(one: &'a ResourceChange, other: &ResourceChange) -> Vec<&'a AttributeChange> {
    let same = |a: &AttributeChange, b: &AttributeChange| {
        a.path == b.path && a.before == b.before && a.after == b.after && a.class == b.class
    };
    one.attributes.iter().filter(|a| !other.attributes.iter().any(|b| same(a, b))).collect()
}

fn remark(out: &mut String, text: &str) {
    let _ = writeln!(out, "      {}", paint(DIM, text));
}

/// What is left out because nobody plans it any more; `None` where there is nothing like it.
pub fn no_longer_planned(changes: &[&ResourceChange]) -> Option<String> {
    const SHOWN: usize = 10;
    let count = changes.len();
    let names = changes.iter().take(SHOWN).map(|change| change.address.to_string()).collect::<Vec<_>>();
    let more = if count > SHOWN { format!(", and {} more", count - SHOWN) } else { String::new() };
    let names = escape::line(&names.join(", ")).into_owned();
    let are = if count == 1 { "is" } else { "are" };
    let what = plural(count, "reviewed change");
    (count > 0).then(|| format!("{what} {are} not planned any more: {names}{more}.\n"))
}
