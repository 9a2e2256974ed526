//! A newcomer's test of the layout: `docs/design.md` names files that are there, the arrows between the crates and
//! inside the stack point the way it says, `unsafe` stays in its rooms, and the links of the documents lead somewhere.
//!
//! Nothing here compiles or runs the project: it reads the text that a newcomer reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where `docs/design.md` looks for a file that it names without a folder.
const TCP: &str = "stack/src/tcp";

/// Which packages of the workspace each of them may depend on: always, and for its own tests.
const PACKAGES: [(&str, &[&str], &[&str]); 9] = [
    ("lendwire-nic", &[], &[]),
    ("lendwire", &["lendwire-nic"], &[]),
    ("lendwire-drivers", &["lendwire-nic"], &["lendwire-drivers"]),
    ("lendwire-counts", &ALL_THREE, &[]),
    ("lendwire-unikernel", &WITH_COUNTS, &ALL_THREE),
    ("lendwire-tests", &ALL_THREE, &["lendwire-unikernel", "xtask"]),
    ("lendwire-benches", &WITH_COUNTS, &["lendwire-tests"]),
    ("lendwire-fuzz", &ALL_THREE, &[]),
    ("xtask", &["lendwire-unikernel"], &[]),
];
const ALL_THREE: [&str; 3] = ["lendwire", "lendwire-nic", "lendwire-drivers"];
/// And the paths that are counted, which run on a host and in the image.
const WITH_COUNTS: [&str; 4] = ["lendwire", "lendwire-nic", "lendwire-drivers", "lendwire-counts"];

/// Which modules of the stack each of them may use. `drops`, `time`, `list`, `chain`, `slab` and `wheel` are the small pieces
/// that layers share.
const MODULES: [(&str, &[&str]); 16] = [
    ("wire", &[]),
    ("time", &[]),
    ("drops", &[]),
    ("list", &[]),
    ("chain", &["slab"]),
    ("slab", &[]),
    ("wheel", &["time"]),
    ("link", &["wire", "drops", "time", "list", "slab"]),
    ("ip", &["link", "wire", "drops", "time", "list", "slab"]),
    ("icmp", &["ip", "link", "wire", "drops", "time"]),
    ("udp", &["ip", "link", "wire", "drops", "time", "list", "slab"]),
    ("tcp", &["ip", "link", "wire", "drops", "time", "list", "chain", "slab", "wheel"]),
    ("dhcp", &["udp", "ip", "link", "wire", "drops", "time"]),
    ("storage", &["dhcp", "ip", "tcp", "udp", "slab", "wheel"]),
    ("stack", &["dhcp", "drops", "icmp", "ip", "slab", "storage", "tcp", "time", "udp", "wheel", "wire"]),
    ("lib", &["dhcp", "drops", "ip", "slab", "stack", "storage", "tcp", "time", "udp", "wheel", "wire"]),
];

/// Above `ip`, the only thing known of the link is which interface a packet came in by.
const ABOVE_IP: [&str; 4] = ["icmp", "udp", "tcp", "dhcp"];

/// The files, and the folders, that may say `unsafe`, and what for.
const UNSAFE_ROOMS: &[(&str, &str)] = &[
    ("nic/src/chunk.rs", "views of slots"),
    ("nic/src/pool.rs", "slots"),
    ("nic/src/slot_list.rs", "chunks in the memory of a slot"),
    ("nic/src/content.rs", "views of static bytes"),
    ("nic/src/sum/", "kernels of the checksum"),
    ("nic/tests/loom.rs", "a slot's memory as the model checker sees it"),
    ("nic-models/src/platform.rs", "what a driver asks of its kernel"),
    ("nic-models/src/dma.rs", "memory of a device"),
    ("nic-models/src/dma/lane.rs", "equal fields of it"),
    ("nic-models/src/registers.rs", "registers of a device"),
    ("nic-models/src/private.rs", "a driver's own notes, in memory that the kernel gave"),
    ("nic-models/src/virtio/probe.rs", "the cutting of DMA memory into rings, and its giving back"),
    ("nic-models/src/virtio/start.rs", "registers that the platform mapped"),
    ("nic-models/src/e1000/probe.rs", "the cutting of DMA memory into rings"),
    ("nic-models/src/e1000/net.rs", "registers that the platform mapped, and when memory goes back"),
    ("nic-models/src/model/memory.rs", "memory of a device, in software"),
    ("nic-models/src/tap.rs", "system calls"),
    ("unikernel/src/arch/", "the processor"),
    ("tests/src/allocator.rs", "an allocator that counts"),
    ("tests/examples/first_driver/driver.rs", "the cutting and giving back of DMA memory, in the guide's driver"),
    ("benches/lwip.rs", "a peer written in C"),
    ("fuzz/", "what libFuzzer's macro needs"),
];

#[test]
fn every_file_that_the_design_names_is_there() {
    let design = read(&root().join("docs/design.md"));
    let missing: Vec<_> = named_paths(&design).into_iter().filter(|path| !is_there(path)).collect();
    assert!(missing.is_empty(), "docs/design.md names files that are not there: {missing:?}");
    // A check that finds nothing to check would pass for ever.
    assert!(named_paths(&design).len() > 40, "docs/design.md names few files: is the reading of it broken?");
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = read(&document);
        let folder = document.parent().expect("a file has a folder");
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { document.clone() } else { folder.join(path) };
            let is_right = target.exists() && (anchor.is_empty() || anchors(&read(&target)).contains(anchor));
            if !is_right {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}

#[test]
fn the_arrows_between_the_crates_point_one_way() {
    let allowed: BTreeMap<_, _> = PACKAGES.iter().map(|(name, always, tests)| (*name, (*always, *tests))).collect();
    let mut seen = BTreeSet::new();
    for manifest in manifests() {
        let text = read(&manifest);
        let Some(name) = package(&text) else { continue };
        let (always, for_tests) =
            *allowed.get(name).unwrap_or_else(|| panic!("{name} is a package that this test does not know"));
        for (section, dependency) in dependencies(&text) {
            let is_ours = allowed.contains_key(dependency);
            let may = always.contains(&dependency) || (section.contains("dev-") && for_tests.contains(&dependency));
            assert!(!is_ours || may, "{name} must not depend on {dependency} ([{section}])");
        }
        seen.insert(name.to_owned());
    }
    let missing: Vec<_> = allowed.keys().filter(|name| !seen.contains(**name)).collect();
    assert!(missing.is_empty(), "manifests were found for {seen:?} only");
}

#[test]
fn the_arrows_inside_the_stack_point_one_way() {
    let allowed: BTreeMap<_, _> = MODULES.iter().copied().collect();
    let face = read(&root().join("stack/src/lib.rs"));
    let mut arrows = 0;
    for file in sources("stack/src") {
        let (module, depth) = module_of(&file);
        let may = allowed.get(&*module).unwrap_or_else(|| panic!("{module} is a module that this test does not know"));
        for (number, used, item) in uses(&read(&file), depth) {
            let used = behind_the_face(&face, used);
            let place = format!("{}:{number}", file.display());
            arrows += usize::from(used != module);
            assert!(used == module || may.contains(&&*used), "{place}: {module} must not use {used}");
            let beyond = used == "link" && ABOVE_IP.contains(&&*module) && item != "InterfaceId";
            assert!(!beyond, "{place}: of the link, {module} may know InterfaceId only, not {item}");
        }
    }
    assert!(arrows > 100, "{arrows} arrows were found: is the reading of them broken?");
}

#[test]
fn the_table_of_modules_has_no_circle() {
    let allowed: BTreeMap<_, _> = MODULES.iter().copied().collect();
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    while placed.len() < allowed.len() {
        let is_next = |(_, uses): &(&&str, &&[&str])| uses.iter().all(|used| placed.contains(used));
        let next: BTreeSet<_> = allowed.iter().filter(is_next).map(|(module, _)| *module).collect();
        assert!(next.len() > placed.len(), "a circle among the modules that are not in {placed:?}");
        placed = next;
    }
    let is_leaf = |module| allowed.values().all(|uses| !uses.contains(&module)) || module == "stack";
    assert!(is_leaf("stack") && is_leaf("lib"), "nobody uses the face but the crate's root");
}

#[test]
fn unsafe_stays_in_its_rooms() {
    assert!(read(&root().join("stack/src/lib.rs")).contains("#![forbid(unsafe_code)]"), "the stack forbids it");
    let mut outside = Vec::new();
    let mut inside = 0;
    for folder in ["nic", "stack", "nic-models", "unikernel", "tests", "benches", "fuzz", "xtask"] {
        for file in sources(folder) {
            let name = relative(&file);
            let has = read(&file).lines().any(|line| words(&code(line)).any(|word| word == "unsafe"));
            let may =
                UNSAFE_ROOMS.iter().any(|(room, _)| name == *room || (room.ends_with('/') && name.starts_with(room)));
            inside += usize::from(has && may);
            if has && !may {
                outside.push(name);
            }
        }
    }
    assert!(outside.is_empty(), "unsafe code outside of its rooms: {outside:?}");
    assert!(inside > 5, "{inside} files with unsafe code were found: is the reading of them broken?");
}

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_path_buf()
}

#[track_caller]
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("it lies in the workspace").to_string_lossy().into_owned()
}

/// All files below a folder of the workspace with one extension, but for what cargo builds.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.expect("the folder can be read").path()) {
        if path.is_dir() && !path.ends_with("target") {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources(folder: &str) -> Vec<PathBuf> {
    files(&root().join(folder), "rs")
}

/// What is between backticks and looks like a path.
fn named_paths(text: &str) -> Vec<&str> {
    let is_path = |token: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
        let has_extension = ["rs", "md", "toml", "svg"].iter().any(|it| token.ends_with(&format!(".{it}")));
        token.bytes().all(plain) && !token.starts_with('/') && (has_extension || token.contains('/'))
    };
    text.split('`').skip(1).step_by(2).filter(is_path).collect()
}

fn is_there(path: &str) -> bool {
    let wanted = |base: PathBuf| if path.ends_with('/') { base.join(path).is_dir() } else { base.join(path).is_file() };
    wanted(root()) || wanted(root().join(TCP))
}

/// The documents of the project.
fn documents() -> Vec<PathBuf> {
    let mut found = files(&root().join("docs"), "md");
    let top = fs::read_dir(root()).expect("the workspace can be read").map(|entry| entry.expect("an entry").path());
    found.extend(top.filter(|path| path.extension().is_some_and(|it| it == "md")));
    found
}

/// Targets of Markdown links within the project.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(|target| target.split(' ').next().unwrap_or(target)).filter(|target| !target.contains("://"))
}

/// The anchors that a document's headings make.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading.to_lowercase().replace(' ', "-");
            kept.chars().filter(|it| it.is_alphanumeric() || "-_".contains(*it)).collect()
        })
        .collect()
}

fn manifests() -> Vec<PathBuf> {
    let folders = fs::read_dir(root()).expect("the workspace can be read").map(|entry| entry.expect("an entry").path());
    let folders = folders.chain([root().join("benches/counts")]);
    folders.map(|folder| folder.join("Cargo.toml")).filter(|manifest| manifest.is_file()).collect()
}

fn package(manifest: &str) -> Option<&str> {
    manifest.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
}

/// Every dependency of a manifest, with the section that it stands in.
fn dependencies(manifest: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut section = "";
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            // `[dependencies.name]`
            if let Some((_, name)) = section.split_once("dependencies.") {
                found.push((section, name));
            }
        } else if section.ends_with("dependencies")
            && let Some(name) =
                line.split(['=', '.', ' ']).next().filter(|name| !name.is_empty() && !name.starts_with('#'))
        {
            found.push((section, name));
        }
    }
    found
}

/// The top module that a source of the stack belongs to, and how far below the crate's root its file's module is.
fn module_of(file: &Path) -> (String, usize) {
    let name = relative(file);
    let path =
        name.strip_prefix("stack/src/").and_then(|path| path.strip_suffix(".rs")).expect("a source of the stack");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let depth = if path == "lib" { 0 } else { path.split('/').count() };
    (path.split('/').next().unwrap_or(path).to_owned(), depth)
}

/// What a file uses of the crate: line, top module, and the item if one is named.
fn uses(text: &str, depth: usize) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    let mut inner = 0;
    for (number, line) in (1..).zip(text.lines()) {
        // Modules within a file come last in it, and are indented.
        let is_inner = line.starts_with(' ');
        let line = code(line);
        inner += usize::from(!is_inner && line.contains("mod ") && line.ends_with('{'));
        let climbs = "super::".repeat(if is_inner { depth + inner } else { depth });
        for start in ["crate::", &climbs] {
            for at in line.match_indices(start).map(|(at, _)| at + start.len()).filter(|_| !start.is_empty()) {
                found.extend(first_names(&line[at..]).into_iter().map(|(module, item)| (number, module, item)));
            }
        }
    }
    found
}

/// The module whose type `crate::Type` is: the crate's root only shows it.
fn behind_the_face(face: &str, name: String) -> String {
    if !name.starts_with(|first: char| first.is_uppercase()) {
        return name;
    }
    let mut shown = face.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let line = shown.find(|line| words(line).any(|word| word == name));
    line.and_then(|line| line.split("::").next()).unwrap_or_else(|| panic!("crate::{name} is not shown")).to_owned()
}

/// The first two names of each path in `a::b`, or in `{a::b, c}`.
fn first_names(path: &str) -> Vec<(String, String)> {
    let name = |text: &str| text.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect::<String>();
    let of = |text: &str| {
        let first = name(text);
        let rest = text[first.len()..].strip_prefix("::").unwrap_or("");
        let second = name(rest.trim_start_matches('{'));
        (first, if rest.starts_with('{') && rest.contains(',') { format!("{second} and more") } else { second })
    };
    match path.strip_prefix('{') {
        Some(group) => {
            group.split(['}', ',']).map(|text| of(text.trim())).filter(|(first, _)| !first.is_empty()).collect()
        }
        None => vec![of(path)],
    }
}

/// A line without its comment and without what its strings say.
fn code(line: &str) -> String {
    let mut kept = String::new();
    let (mut in_string, mut last) = (false, ' ');
    for (at, it) in line.char_indices() {
        match it {
            '"' if last != '\\' && !(last == '\'' && line[at..].starts_with("\"'")) => in_string = !in_string,
            '/' if !in_string && line[at..].starts_with("//") => break,
            _ if !in_string => kept.push(it),
            _ => {}
        }
        last = it;
    }
    kept.trim().to_owned()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|it: char| !it.is_alphanumeric() && it != '_')
}
