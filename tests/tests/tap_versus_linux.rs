//! The unikernel and a Debian kernel, one short round each: both do every work, byte for byte, and are counted.
//!
//! Needs what the other tests over TAP devices need, and Debian's packages; without them it prints `skipped: why`.

use xtask::failure::Failure;
use xtask::{image, namespace, versus_linux};

#[test]
fn both_guests_do_the_same_work() {
    let mut prepared = None;
    if !namespace::is_inside() && namespace::why_not(&versus_linux::NEEDS).is_none() {
        prepared = match versus_linux::prepare() {
            Ok(image) => Some(image),
            // CI: what cannot be had has failed, and is not left out.
            Err(Failure::Missing(why)) if std::env::var_os("CI").is_none() => {
                eprintln!("skipped: both_guests_do_the_same_work: {why}");
                return;
            }
            Err(failure) => panic!("{failure}"),
        };
    }
    let prepare = |command: &mut std::process::Command| {
        command.envs(prepared.map(|image| (image::IMAGE_VARIABLE, image)));
    };
    namespace::inside("both_guests_do_the_same_work", &versus_linux::NEEDS, prepare, || {
        let words = ["stream", "question", "HTTP, 1 KB", "boot"];
        let compared = versus_linux::smoke(&words).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(compared.len(), 10);
        for work in compared {
            let (Some(linux), Some(lendwire)) = (work.linux, work.lendwire) else {
                assert!(work.work.contains("wrk"), "not measured: {work:?}");
                continue;
            };
            // A plugin that counts nothing, or a work that was not done, is far below; a guest that spins is far above.
            let (least, most) = if work.work.starts_with("stream") { (0.005, 20.0) } else { (0.01, 1_000_000.0) };
            assert!((least..most).contains(&linux) && (least..most).contains(&lendwire), "{work:?}");
        }
    });
}
