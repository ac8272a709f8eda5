//! The app that the server shows itself: what lies in its folder, and is nobody's business.

use authtool_tests::{Stage, raw};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// With a folder as people have them: with what should not be in it.
async fn a_careless_folder() -> (Stage, tempfile::TempDir) {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("shadow"), "SECRET outside").unwrap();
    let mut root = PathBuf::new();
    let stage = Stage::with(|config| {
        root = config.folder().join("app");
    })
    .await;
    for folder in [".git", ".well-known", "assets", "assets/.cache", "inside"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for (file, content) in [
        (".env", "SECRET env"),
        (".git/config", "SECRET git"),
        (".htpasswd", "SECRET htpasswd"),
        ("assets/.DS_Store", "SECRET store"),
        ("assets/.cache/x.txt", "SECRET cache"),
        (".well-known/security.txt", "Contact: mailto:security@example.com"),
        (".well-known/.env", "SECRET well-known"),
        ("assets/app.js", "app()"),
        ("inside/page.txt", "a page"),
    ] {
        std::fs::write(root.join(file), content).unwrap();
    }
    symlink(outside.path().join("shadow"), root.join("link.txt")).unwrap();
    symlink(outside.path(), root.join("linked")).unwrap();
    symlink("../../../../../../../../etc/passwd", root.join("assets/passwd.txt")).unwrap();
    symlink(outside.path().join("shadow"), root.join("assets/app.js.br")).unwrap();
    // As a deployment by Kubernetes has it: within the folder.
    symlink("inside", root.join("current")).unwrap();
    (stage, outside)
}

#[tokio::test]
async fn sec_202_hidden_files_and_links_that_lead_out_are_not_there() {
    let (stage, _outside) = a_careless_folder().await;
    for path in [
        "/.env",
        "/%2eenv",
        "/%2Eenv",
        "/.git/config",
        "/.git/",
        "/.git",
        "/.htpasswd",
        "/assets/.DS_Store",
        "/assets/.cache/x.txt",
        "/.well-known/.env",
        "/assets/../.env",
        "/assets/%2e%2e/.env",
        "/assets%2f..%2f.env",
        "/link.txt",
        "/linked/shadow",
        "/linked",
        "/assets/passwd.txt",
    ] {
        for coding in ["identity", "br, gzip"] {
            let request = raw::get(&stage.server.public, path).as_same_origin_fetch();
            let answer = request.header("accept-encoding", coding).send().await;
            assert!(matches!(answer.status.as_u16(), 400 | 404), "{path}: {answer:?}");
            assert!(!answer.everything().contains("SECRET"), "{path}: {answer:?}");
            assert!(!answer.everything().contains("root:"), "{path}: {answer:?}");
        }
    }
    let compressed =
        raw::get(&stage.server.public, "/assets/app.js").header("accept-encoding", "br").send().await;
    assert!(!compressed.everything().contains("SECRET"), "{compressed:?}");
}

#[tokio::test]
async fn sec_202_what_is_meant_for_everybody_is_served() {
    let (stage, _outside) = a_careless_folder().await;
    for (path, content) in [
        ("/.well-known/security.txt", "Contact:"),
        ("/inside/page.txt", "a page"),
        ("/current/page.txt", "a page"),
    ] {
        let answer = raw::get(&stage.server.public, path).as_same_origin_fetch().send().await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(answer.text().contains(content), "{path}: {answer:?}");
    }
    // An app's route may begin with a dot, or be called like a hidden file.
    let page = raw::get(&stage.server.public, "/.env").as_navigation().send().await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.text().contains("the app's page"), "{page:?}");
}

#[tokio::test]
async fn sec_202_a_folder_without_its_slash_is_redirected_within_this_origin() {
    let (stage, _outside) = a_careless_folder().await;
    for path in ["/assets", "//assets", "///assets", "//evil.example/..//assets"] {
        let answer = raw::get(&stage.server.public, path).as_same_origin_fetch().send().await;
        if let Some(location) = answer.headers.get("location") {
            let location = location.to_str().unwrap();
            assert!(location.starts_with('/') && !location.starts_with("//"), "{path}: {location}");
        } else {
            assert!(matches!(answer.status.as_u16(), 400 | 404), "{path}: {answer:?}");
        }
    }
}
