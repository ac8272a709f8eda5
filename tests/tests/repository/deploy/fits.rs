//! The files of a deployment are about this server, in this version.

use authtool_bff::Config;
use authtool_tests::envoy::{self, Envoy};
use authtool_tests::{ServerConfig, random_key};
use regex::{Captures, Regex};
use serde_json::Value;

use super::{documents, is_made_of, text};

#[test]
fn the_oldest_rust_that_is_promised_is_the_one_that_everything_is_tested_with() {
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain.split_once("channel = \"").unwrap().1.split('"').next().unwrap().to_owned();
    let manifest = text("Cargo.toml");
    let promised = manifest.split_once("rust-version = \"").unwrap().1.split('"').next().unwrap().to_owned();
    assert!(
        channel == promised || channel.starts_with(&format!("{promised}.")),
        "{channel} tests {promised}"
    );
    let image = text("deploy/container/Dockerfile");
    assert!(image.contains(&format!("\nARG RUST_VERSION={channel}\n")), "the image is built with {channel}");
}

#[test]
fn the_chart_is_of_this_version_and_knows_every_key_of_the_server() {
    let chart = &documents("deploy/helm/authtool/Chart.yaml")[0];
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));

    let file = "deploy/helm/authtool/values.schema.json";
    let mut schema: Value = serde_json::from_str(&text(file)).unwrap();
    let mut config: Value = serde_json::from_str(&Config::schema()).unwrap();
    let members = config.as_object_mut().unwrap();
    // References are from the root of a document.
    schema["$defs"] = members.remove("$defs").unwrap();
    members.remove("$schema");
    schema["properties"]["config"] = config;
    is_made_of(file, &format!("{schema:#}\n"));
}

#[test]
fn the_chart_has_the_alerts_and_the_dashboard_that_are_outside_of_it() {
    for (original, copy) in [
        ("deploy/prometheus/alerts.yaml", "deploy/helm/authtool/files/alerts.yaml"),
        ("deploy/grafana/authtool.json", "deploy/helm/authtool/files/dashboard.json"),
    ] {
        is_made_of(copy, &text(original));
    }
}

/// Has the server judge a configuration, with secrets where it looks for them.
fn is_good(name: &str, configuration: &str) -> ServerConfig {
    let mut config = ServerConfig::new("");
    let secret = Regex::new("/run/secrets/(?:authtool/)?([a-z-]+)").unwrap();
    let found = secret.replace_all(configuration, |named: &Captures<'_>| {
        config.file(&named[1], random_key()).to_str().unwrap().to_owned()
    });
    let found = found.into_owned();
    config.handwritten(name, &found);
    let output = config.run(&["check"]);
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {said}");
    assert!(!said.contains("warning"), "{name}: {said}");
    config
}

#[test]
fn the_plain_manifests_hold_a_configuration_that_the_server_takes() {
    let manifests = documents("deploy/kubernetes/authtool.yaml");
    let map = manifests.iter().find(|it| it["kind"] == "ConfigMap").unwrap();
    is_good("authtool.json", map["data"]["authtool.json"].as_str().unwrap());
}

#[test]
fn compose_holds_a_configuration_that_the_server_takes_and_an_envoy_that_fits() {
    let authtool = text("deploy/compose/authtool.yaml");
    // The app is a folder of the container.
    let config = is_good("authtool.yaml", &authtool.replace("root: /srv/app", "root: /"));
    let output = config.run(&[
        "envoy",
        "--listen",
        "0.0.0.0:8000",
        "--bff",
        "authtool:3000",
        "--bff-internal",
        "authtool:3001",
        "--api",
        "/api=http://api:4000",
        "--app",
        "authtool:3000",
        "--audience",
        "https://api.example.com",
        "--jwks-uri",
        "http://keycloak.localhost:8080/realms/demo/protocol/openid-connect/certs",
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    is_made_of("deploy/compose/envoy.yaml", &String::from_utf8(output.stdout).unwrap());

    let realm: Value = serde_json::from_str(&text("deploy/compose/realm.json")).unwrap();
    let client = &realm["clients"][0];
    for (ours, theirs) in [
        ("clientId: ", &client["clientId"]),
        ("\n  redirect_uri: ", &client["redirectUris"][0]),
        ("postLogoutRedirectUri: ", &client["attributes"]["post.logout.redirect.uris"]),
    ] {
        let line = format!("{ours}{}\n", theirs.as_str().unwrap());
        assert!(authtool.contains(&line), "{line}");
    }
    let secret = client["secret"].as_str().unwrap();
    assert!(text("deploy/compose/secrets.sh").contains(&format!("printf '{secret}'")), "{secret}");
}

#[test]
fn the_envoy_example_holds_a_configuration_that_the_server_takes_and_what_its_readme_makes_of_it() {
    let authtool = text("examples/envoy/authtool.json");
    // The app is a folder of the container.
    let config = is_good("authtool.json", &authtool.replace("/srv/app", "/"));
    let readme = text("examples/envoy/README.md");
    let (_, command) = readme.split_once("authtool-bff envoy --config authtool.json").unwrap();
    let (arguments, _) = command.split_once("> envoy.yaml").unwrap();
    let arguments: Vec<_> =
        ["envoy"].into_iter().chain(arguments.split_whitespace().filter(|word| *word != "\\")).collect();
    let output = config.run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = String::from_utf8(output.stdout).unwrap();
    is_made_of("examples/envoy/envoy.yaml", &made);
    let (good, said) = Envoy::validate(&made.replace("/etc/envoy", envoy::lua_folder().to_str().unwrap()));
    assert!(good, "{said}");

    // What the configuration names by its host or path is in the containers.
    let compose = &documents("examples/envoy/compose.yaml")[0];
    for service in ["authtool-1", "authtool-2", "redis", "api"] {
        assert!(compose["services"][service].is_object(), "{service}");
    }
    for secret in Regex::new("/run/secrets/([a-z-]+)").unwrap().captures_iter(&authtool) {
        assert!(compose["secrets"][&secret[1]].is_object(), "{}", &secret[1]);
    }
}
