//! What is wrong with a configuration: everything at once, each with the key, the problem and the fix.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The key, such as `session.signingKey` or `client.clients[1].scope`.
    pub key: String,
    /// What is wrong with its value. Never contains the value of a secret.
    pub problem: String,
    /// What to do about it.
    pub fix: String,
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigProblems(pub Vec<ConfigProblem>);

impl ConfigProblems {
    /// Notes a problem.
    pub fn add(&mut self, key: impl Into<String>, problem: impl Into<String>, fix: impl Into<String>) {
        self.0.push(ConfigProblem { key: key.into(), problem: problem.into(), fix: fix.into() });
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        writeln!(f, "the configuration has {count} problem{}:", if count == 1 { "" } else { "s" })?;
        for ConfigProblem { key, problem, fix } in &self.0 {
            write!(f, "\n  {key}\n    problem: {problem}\n    fix:     {fix}\n")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigProblems {}
