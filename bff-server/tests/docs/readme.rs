//! The configuration in the README is one that loads.

use std::collections::BTreeSet;

use authtool_bff::Config;

#[test]
fn the_readmes_configuration_lacks_only_what_a_reader_must_provide() {
    let readme = include_str!("../../../README.md");
    let json =
        readme.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a JSON block");
    let problems = Config::from_json(json).expect_err("the secrets are not on this machine");
    let keys: BTreeSet<_> = problems.0.iter().map(|problem| problem.key.as_str()).collect();
    let provided_by_the_reader =
        ["client.credentials.secret", "server.static.root", "session.encryptionKey", "session.signingKey"];
    assert_eq!(keys, BTreeSet::from(provided_by_the_reader), "{problems}");
}
