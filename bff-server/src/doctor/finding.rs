//! What an examination says.

use serde::Serialize;

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, but somebody should know.
    Notice,
    /// It does not work.
    Bad,
}

/// Where in the chain a part is, in the order in which it is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// The configuration file.
    Configuration,
    /// `session.signingKey` and `session.encryptionKey`.
    Keys,
    /// The session cookie, against the address that browsers see.
    Cookies,
    /// The session store.
    Store,
    /// An authorization server.
    Provider,
    /// A client of ours there.
    Client,
    /// The server as browsers reach it.
    PublicUrl,
}

impl Area {
    /// A heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration",
            Self::Keys => "Keys",
            Self::Cookies => "Cookies",
            Self::Store => "Session store",
            Self::Provider => "Provider",
            Self::Client => "Client",
            Self::PublicUrl => "Public URL",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where.
    pub area: Area,
    /// What was looked at: a name that stays the same, such as `store.eviction`.
    pub check: &'static str,
    /// Whose, where there may be several: an issuer, a client, a URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, in plain words. Never a secret.
    pub what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Collects the findings about one part.
pub(super) struct Notes {
    area: Area,
    part: Option<String>,
    findings: Vec<Finding>,
}

impl Notes {
    pub(super) fn new(area: Area, part: Option<&str>) -> Self {
        Self { area, part: part.map(str::to_owned), findings: Vec::new() }
    }

    pub(super) fn good(&mut self, check: &'static str, what: impl Into<String>) {
        self.add(check, Verdict::Good, what.into(), None);
    }

    pub(super) fn notice(&mut self, check: &'static str, what: impl Into<String>, fix: impl Into<String>) {
        self.add(check, Verdict::Notice, what.into(), Some(fix.into()));
    }

    pub(super) fn bad(&mut self, check: &'static str, what: impl Into<String>, fix: impl Into<String>) {
        self.add(check, Verdict::Bad, what.into(), Some(fix.into()));
    }

    pub(super) fn finish(self) -> Vec<Finding> {
        self.findings
    }

    fn add(&mut self, check: &'static str, verdict: Verdict, what: String, fix: Option<String>) {
        let (area, part) = (self.area, self.part.clone());
        self.findings.push(Finding { area, check, part, verdict, what, fix });
    }
}
