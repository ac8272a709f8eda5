//! `authtool-bff doctor`: the whole chain, step by step, and what to do about what is broken.

use std::{io::IsTerminal as _, path::Path};

use authtool_bff::{
    Config,
    doctor::{self, Area, Finding, Verdict},
};
use clap::Args;
use serde_json::json;
use url::Url;

use crate::{Fallible, Outcome, say};

/// How to look, and how to tell.
#[derive(Args)]
pub(crate) struct Options {
    /// The URL that people open, such as <https://app.example.com>: also looks at what stands in front of the server,
    /// which must run.
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// Tell it as JSON, for a program.
    #[arg(long)]
    json: bool,
    /// Fail for what is only worth knowing, too.
    #[arg(long)]
    strict: bool,
}

/// Prints the findings. Fails if something does not work.
pub(crate) fn run(path: &Path, options: &Options) -> Outcome {
    let findings = match Config::load(path) {
        Ok(config) => examine(path, &config, options.url.as_ref())?,
        Err(error) => doctor::of_load_error(&error),
    };
    let mut out = std::io::stdout();
    let count = |verdict| findings.iter().filter(|it| it.verdict == verdict).count();
    let (bad, notices) = (count(Verdict::Bad), count(Verdict::Notice));
    let healthy = bad == 0 && !(options.strict && notices > 0);
    if options.json {
        let report = json!({"healthy": healthy, "problems": bad, "notices": notices, "findings": findings});
        say(&mut out, &serde_json::to_string_pretty(&report)?);
    } else {
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        for line in lines(&findings, colour) {
            say(&mut out, &line);
        }
        say(&mut out, &format!("\n{}", summary(bad, notices, options)));
    }
    match (healthy, bad) {
        (true, _) => Ok(()),
        (false, 0) => Err("there are notices, and --strict does not let them pass".into()),
        (false, 1) => Err("1 thing does not work; see above".into()),
        (false, bad) => Err(format!("{bad} things do not work; see above").into()),
    }
}

fn examine(path: &Path, config: &Config, url: Option<&Url>) -> Fallible<Vec<Finding>> {
    if url.is_some_and(|url| !matches!(url.scheme(), "http" | "https") || url.host().is_none()) {
        return Err("--url must be a web address such as https://app.example.com".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(doctor::diagnose(path, config, url)))
}

fn lines(findings: &[Finding], colour: bool) -> Vec<String> {
    let paint = |code: &str, text: &str| {
        if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let mut lines = Vec::new();
    let mut under: Option<(Area, Option<&str>)> = None;
    for finding in findings {
        let here = (finding.area, finding.part.as_deref());
        if under != Some(here) {
            if under.is_some() {
                lines.push(String::new());
            }
            let part = finding.part.as_deref().map(|part| format!(": {part}")).unwrap_or_default();
            lines.push(paint("1", &format!("{}{part}", finding.area.title())));
            under = Some(here);
        }
        let mark = match finding.verdict {
            Verdict::Good => paint("32", "✓"),
            Verdict::Notice => paint("33", "!"),
            Verdict::Bad => paint("31", "✗"),
        };
        lines.push(format!("  {mark} {}", finding.what));
        if let Some(fix) = &finding.fix {
            lines.push(format!("    → {fix}"));
        }
    }
    lines
}

fn summary(bad: usize, notices: usize, options: &Options) -> String {
    let of = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let mut text = match bad {
        0 => "Everything works".to_owned(),
        bad => format!("{} not work", of(bad, "thing does", "things do")),
    };
    if notices > 0 {
        text = format!("{text}; {} knowing", of(notices, "thing is worth", "things are worth"));
    }
    text.push('.');
    if options.url.is_none() {
        text.push_str(" With --url https://… what stands in front of the server is examined too.");
    }
    text
}
