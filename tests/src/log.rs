//! What a child process wrote.

use crate::wait;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};

/// The lines of a child's standard output and error, as they arrived. Clones share the lines.
#[derive(Clone, Default)]
pub struct Log {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Log {
    /// Collects `stream` on a thread of its own until it ends.
    pub(crate) fn collect(&self, stream: impl Read + Send + 'static) -> std::thread::JoinHandle<()> {
        let log = self.clone();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while let Ok(1..) = stream.read_until(b'\n', &mut line) {
                log.push(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned());
                line.clear();
            }
        })
    }

    fn push(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Every line so far, as one text.
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// The first line that contains `needle`.
    pub fn find(&self, needle: &str) -> Option<String> {
        self.lines().into_iter().find(|line| line.contains(needle))
    }

    /// How many lines contain `needle`.
    pub fn count(&self, needle: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(needle)).count()
    }

    /// Waits for the first line that contains `needle`: a line is in the pipe before it is here.
    pub async fn shows(&self, needle: &str) -> String {
        wait::until(&format!("the log shows {needle:?}"), async || self.find(needle)).await
    }

    /// Fails when a line contains one of `secrets` (SEC-140).
    pub fn assert_free_of(&self, secrets: &[String]) {
        let lines = self.lines();
        for secret in secrets {
            if let Some(line) = lines.iter().find(|line| line.contains(secret.as_str())) {
                panic!("the log contains the secret {secret:?} in the line\n{line}");
            }
        }
    }
}
