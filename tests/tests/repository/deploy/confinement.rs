//! SEC-146: the server needs neither root nor a disk to write to nor a shell, and is given none.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use authtool_tests::{Process, ServerConfig, raw, wait};
use serde_json::{Value, json};
use url::Url;

use super::{documents, text};

#[test]
fn sec_146_the_image_is_nobodys_and_holds_no_shell() {
    let dockerfile = text("deploy/container/Dockerfile");
    let (_, last_stage) = dockerfile.rsplit_once("\nFROM ").unwrap();
    assert!(last_stage.starts_with("${RUNTIME}"), "{last_stage}");
    assert!(dockerfile.contains("\nARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot\n"), "{dockerfile}");
    assert!(last_stage.contains("\nUSER 65532:65532\n"), "a number, so that it can be told from root");
    for instruction in
        ["ENTRYPOINT [\"/", "CMD [\"/usr/local/bin/authtool-bff\", \"health\"]", "STOPSIGNAL SIGTERM"]
    {
        assert!(last_stage.contains(instruction), "{instruction}");
    }
    for line in last_stage.lines().filter(|line| !line.trim_start().starts_with('#')) {
        assert!(
            !line.starts_with("RUN") && !line.starts_with("ADD"),
            "a shell, or bytes from elsewhere: {line}"
        );
    }
    let secrets = ["SECRET", "PASSWORD", "SIGNING", "ENCRYPTION"];
    for line in dockerfile.lines().filter(|line| line.starts_with("ENV") || line.starts_with("ARG")) {
        assert!(!secrets.iter().any(|it| line.to_uppercase().contains(it)), "{line}");
    }
    let ignored = text("deploy/container/Dockerfile.dockerignore");
    assert!(ignored.lines().any(|line| line == "*"), "what is not named does not get into a build");
    assert!(!ignored.contains("!.git\n") && !ignored.contains("!deploy"), "{ignored}");
}

#[test]
fn sec_146_containers_have_no_rights_and_their_secrets_are_files() {
    let compose = documents("deploy/compose/compose.yaml").remove(0);
    for (name, service) in compose["services"].as_object().unwrap() {
        assert_eq!(
            service["cap_drop"].as_array().or(from_anchor(&compose, service, "cap_drop")),
            Some(&vec![json!("ALL")]),
            "{name}"
        );
        let options = service["security_opt"].as_array().or(from_anchor(&compose, service, "security_opt"));
        assert!(options.unwrap().contains(&json!("no-new-privileges:true")), "{name}");
    }
    let server = &compose["services"]["authtool"];
    assert_eq!(server["secrets"].as_array().unwrap().len(), 4, "{server:#}");
    assert!(
        server["environment"].is_null(),
        "no secret in the environment, where every child and dump has it"
    );

    let deployment = documents("deploy/kubernetes/authtool.yaml")
        .into_iter()
        .find(|it| it["kind"] == "Deployment")
        .unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let container = &pod["containers"][0];
    let context = &container["securityContext"];
    assert_eq!(context["readOnlyRootFilesystem"], true);
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
    for mount in container["volumeMounts"].as_array().unwrap() {
        assert_eq!(mount["readOnly"], true, "{mount}");
    }
    for variable in container["env"].as_array().unwrap() {
        assert_eq!(variable["name"], "AUTHTOOL_CONFIG", "{variable}");
    }
}

/// A member that a service has from `<<: *hardened`, whether or not the parser merges.
fn from_anchor<'a>(compose: &'a Value, service: &'a Value, member: &str) -> Option<&'a Vec<Value>> {
    service["<<"][member].as_array().or(compose["x-hardened"][member].as_array())
}

/// What the image, the chart and the unit promise, tried: somebody else than root, nothing to write to, no way to
/// become more.
#[tokio::test(flavor = "multi_thread")]
async fn sec_146_the_server_runs_as_nobody_on_a_read_only_disk() {
    let op = authtool_tests::hostile::HostileOp::start().await;
    let config = ServerConfig::new(op.issuer());
    assert!(config.run(&["check"]).status.success(), "and so the binary is built");
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), 0o755);
    let binary = folder.path().join("authtool-bff");
    std::fs::copy(authtool_tests::server_binary(), &binary).unwrap();
    open(&binary, 0o755);
    let file = folder.path().join("authtool.json");
    let mut json: Value = serde_json::from_str(&config.text()).unwrap();
    json["server"].as_object_mut().unwrap().remove("static");
    std::fs::write(&file, json.to_string()).unwrap();
    open(&file, 0o644);

    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
    let script = "mount -o remount,bind,ro / && ! touch \"$0\" 2>/dev/null && exec \"$@\"";
    let mut process = Process::start("the server", Path::new("unshare"), |command| {
        if !is_root {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "--propagation", "private", "sh", "-c", script]).arg(&file);
        if is_root {
            command.args([
                "setpriv",
                "--reuid",
                "65532",
                "--regid",
                "65532",
                "--clear-groups",
                "--no-new-privs",
            ]);
            command.args(["--inh-caps", "-all", "--bounding-set", "-all"]);
        }
        command.arg(&binary).arg("--config").arg(&file).arg("serve");
    });
    let internal = Url::parse(&format!("http://127.0.0.1:{}/", config.internal_port())).unwrap();
    wait::until("the confined server is ready", async || {
        if let Some(status) = process.ended() {
            panic!("it ended with {status}");
        }
        raw::get(&internal, "/-/ready").try_send().await.ok().filter(|answer| answer.status == 200)
    })
    .await;
    let health =
        std::process::Command::new(&binary).arg("--config").arg(&file).arg("health").output().unwrap();
    assert!(health.status.success(), "{health:?}");
}
