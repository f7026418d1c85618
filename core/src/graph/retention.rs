//! How long data may be kept, by class: what policies say for everybody, the shortest where several do.
//!
//! Tables carry it as a property, for whoever expires their snapshots and rows; nothing is expired by it.

use crate::graph::codes;
use crate::manifest::model::{DataProduct, RetentionRules};
use crate::manifest::{Load, Manifest};
use datamesh_provider::{Diagnostic, Diagnostics, Spanned, parse_duration_ms, show_duration_ms};

/// The longest times in milliseconds; `None`: no policy says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retention {
    default: Option<u64>,
    pii_data: Option<u64>,
    logs: Option<u64>,
}

impl Retention {
    pub(crate) fn of_policies(load: &Load, found: &mut Diagnostics) -> Self {
        let mut shortest = Self::default();
        for loaded in &load.manifests {
            let Manifest::GovernancePolicy(policy) = &loaded.manifest else { continue };
            let rules = policy.spec.retention.as_ref().filter(|_| policy.spec.selector.is_none());
            if let Some(rules) = rules {
                shortest.tighten(rules, found);
            }
        }
        shortest
    }

    fn tighten(&mut self, rules: &RetentionRules, found: &mut Diagnostics) {
        let mut shorter = |known: &mut Option<u64>, spelled: &Option<Spanned<String>>| {
            let Some(spelled) = spelled else { return };
            match parse_duration_ms(spelled) {
                Ok(Some(ms)) => *known = Some(known.map_or(ms, |known| known.min(ms))),
                // Forever: nothing that could be longer than allowed.
                Ok(None) => {}
                Err(error) => found.push(
                    Diagnostic::error(codes::BAD_RETENTION, format!("`{}`: {error}.", spelled.value))
                        .on(spelled, "this retention")
                        .help("Write a duration, such as `90d`, `7_years` or `forever`."),
                ),
            }
        };
        shorter(&mut self.default, &rules.default);
        shorter(&mut self.pii_data, &rules.pii_data);
        shorter(&mut self.logs, &rules.logs);
    }

    /// The longest time for a product's data, as manifests write durations.
    pub(crate) fn of(&self, product: &DataProduct, personal: bool) -> Option<String> {
        let logs = product.spec.data_class.as_ref().is_some_and(|class| class.value == "logs");
        let classes = [self.pii_data.filter(|_| personal), self.logs.filter(|_| logs)];
        classes.into_iter().flatten().min().or(self.default).map(show_duration_ms)
    }
}
