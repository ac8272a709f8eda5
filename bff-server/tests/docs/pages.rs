//! The pages of the documentation, and the blocks of code in them.

use std::path::{Path, PathBuf};

/// One block of code.
pub(crate) struct Block {
    /// The page, below the repository, and the line on which the block begins.
    pub(crate) place: String,
    pub(crate) language: String,
    /// What `<!-- test: … -->` on the line before says.
    pub(crate) mark: Option<String>,
    pub(crate) code: String,
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Everything that people read before they type.
pub(crate) fn pages() -> Vec<(String, String)> {
    let root = repository();
    let mut paths: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "gateway/README.md", "npm/README.md", "client-leptos/README.md"]
            .iter()
            .map(|page| root.join(page))
            .collect();
    let mut folders = vec![root.join("docs"), root.join("examples"), root.join("deploy")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("node_modules") && !path.ends_with("dist") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|it| it == "md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let name = |path: &Path| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

/// All blocks of all pages that are written in one of these languages.
pub(crate) fn blocks(languages: &[&str]) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (page, text) in pages() {
        let mut lines = text.lines().enumerate();
        let mut before = "";
        while let Some((number, line)) = lines.next() {
            let fence = line.trim_start();
            let Some(info) = fence.strip_prefix("```") else {
                before = line;
                continue;
            };
            let indent = line.len() - fence.len();
            let code: Vec<_> = lines
                .by_ref()
                .map(|(_, line)| line)
                .take_while(|line| !line.trim_start().starts_with("```"))
                .map(|line| line.get(indent..).unwrap_or_default())
                .collect();
            let language = info.split([',', ' ']).next().unwrap_or_default().to_owned();
            assert!(!language.is_empty(), "{page}:{}: say which language this block is in", number + 1);
            if languages.contains(&language.as_str()) {
                let mark = before.trim().strip_prefix("<!-- test: ").and_then(|it| it.strip_suffix(" -->"));
                blocks.push(Block {
                    place: format!("{page}:{}", number + 1),
                    language,
                    mark: mark.map(str::to_owned),
                    code: code.join("\n"),
                });
            }
            before = "";
        }
    }
    blocks
}
