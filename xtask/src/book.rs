//! The documentation site: built by mdBook from `docs/`, and every link in it followed.
//!
//! Links to other sites are not fetched. Those to this repository are: to files and folders that must be there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use html5gum::{Token, Tokenizer};

use crate::{Context, rust_tools};

/// Where this repository is on the web; what follows is a branch and a path.
const REPOSITORY: [&str; 2] =
    ["https://github.com/authtool/authtool/tree/main/", "https://github.com/authtool/authtool/blob/main/"];

/// The page that holds all the others, for printing; and what a server answers for a page that is not there.
const NOT_FOLLOWED: [&str; 3] = ["print.html", "404.html", "toc.html"];

/// Builds the site into `target/book`.
pub(crate) fn build(context: &Context) -> Result<()> {
    let mdbook = rust_tools::mdbook(context)?;
    let site = context.workspace.target("book");
    context.progress.step("Build the documentation site", |log| {
        let mut command = Command::new(&mdbook);
        command.arg("build").arg("--dest-dir").arg(&site).current_dir(context.workspace.path("."));
        context.supervisor.run(&command, log)
    })?;
    context.progress.step("Follow the links of the documentation site", |_| {
        let broken = broken_links(&site, &context.workspace.path("."))?;
        if broken.is_empty() {
            return Ok(());
        }
        let mut list = String::new();
        for Broken { page, link, why } in &broken {
            write!(list, "\n      {page}: {link} {why}")?;
        }
        bail!("{} links of the documentation lead nowhere:{list}", broken.len());
    })?;
    orphans(&context.workspace.path("docs"))
}

/// Every page is in the table of contents: mdBook passes over those that are not, and nobody would find them.
fn orphans(docs: &Path) -> Result<()> {
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).context("cannot read docs/SUMMARY.md")?;
    let mut missing = Vec::new();
    for path in files(docs, "md")? {
        let name = relative(&path, docs);
        if name != "SUMMARY.md" && !summary.contains(&format!("({name})")) {
            missing.push(format!("docs/{name}"));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    bail!("add to docs/SUMMARY.md, so that readers find it: {}", missing.join(", "));
}

struct Broken {
    page: String,
    link: String,
    why: &'static str,
}

/// What one page offers and wants.
#[derive(Default)]
struct Page {
    anchors: BTreeSet<String>,
    links: BTreeSet<String>,
}

fn broken_links(site: &Path, repository: &Path) -> Result<Vec<Broken>> {
    let mut pages = BTreeMap::new();
    for path in files(site, "html")? {
        let html = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        pages.insert(path, read(&html));
    }
    let mut broken = Vec::new();
    for (path, page) in &pages {
        let name = relative(path, site);
        if NOT_FOLLOWED.contains(&name.as_str()) {
            continue;
        }
        for link in &page.links {
            if let Some(why) = trouble(link, path, &pages, repository) {
                broken.push(Broken { page: name.clone(), link: link.clone(), why });
            }
        }
    }
    Ok(broken)
}

/// Why a link leads nowhere, if it does.
fn trouble(
    link: &str,
    from: &Path,
    pages: &BTreeMap<PathBuf, Page>,
    repository: &Path,
) -> Option<&'static str> {
    if let Some(inside) = REPOSITORY.iter().find_map(|it| link.strip_prefix(it)) {
        let file = inside.split(['#', '?']).next().unwrap_or_default();
        return (!repository.join(file).exists()).then_some("is not in this repository");
    }
    if link.contains("://") || link.starts_with("mailto:") || link.starts_with("data:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => from.to_owned(),
        file => normal(&from.parent()?.join(file)),
    };
    let target = if target.is_dir() { target.join("index.html") } else { target };
    if !target.is_file() {
        return Some("is not there");
    }
    let is_known = anchor.is_empty() || pages.get(&target).is_none_or(|page| page.anchors.contains(anchor));
    (!is_known).then_some("has no such heading")
}

fn read(html: &str) -> Page {
    let mut page = Page::default();
    for Ok(token) in Tokenizer::new(html) {
        let Token::StartTag(tag) = token else { continue };
        for (name, value) in &tag.attributes {
            let value = String::from_utf8_lossy(value).into_owned();
            match (&***name, &**tag.name) {
                (b"id", _) => drop(page.anchors.insert(value)),
                (b"href", b"a" | b"link") | (b"src", b"img" | b"script") if !value.is_empty() => {
                    page.links.insert(value);
                }
                _ => {}
            }
        }
    }
    page
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

fn relative(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned()
}

/// All files below a folder whose names end in this way.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_pages_headings_and_the_repository_are_followed() {
        let site = std::env::temp_dir().join(format!("authtool-book-{}", std::process::id()));
        fs::create_dir_all(site.join("guides")).unwrap();
        let page = r##"<a href="../index.html#here">ok</a> <a href="../index.html#there">no</a> <a href="gone.html">no</a>
            <a href="https://elsewhere.example">ok</a> <h1 id="top">ok</h1> <a href="#top">ok</a> <a href="#bottom">no</a>
            <a href="https://github.com/authtool/authtool/tree/main/docs/x.md">no</a>
            <a href="https://github.com/authtool/authtool/tree/main/index.html#L1">ok</a>"##;
        fs::write(site.join("guides/a.html"), page).unwrap();
        fs::write(site.join("index.html"), r#"<h1 id="here">ok</h1>"#).unwrap();
        let broken = broken_links(&site, &site).unwrap();
        fs::remove_dir_all(&site).unwrap();
        let links: Vec<_> = broken.iter().map(|it| it.link.as_str()).collect();
        let expected = [
            "#bottom",
            "../index.html#there",
            "gone.html",
            "https://github.com/authtool/authtool/tree/main/docs/x.md",
        ];
        assert_eq!(links, expected);
    }
}
