//! What a checksum costs: every kernel and the one that is chosen, beside `memcpy` and the sum as RFC 1071 tells it;
//! and whether copying on the way is worth it, beside copying first.
//!
//! `cargo bench -p lendwire-benches --bench checksum`

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lendwire_nic::sum::kernels;
use lendwire_nic::{Sum, Work};

/// An IPv4 header, the least frame, both sides of the change of kernels, a full frame, a segment for a device to cut.
const LENGTHS: [usize; 6] = [20, 64, 768, 1024, 1500, 65536];

/// Word by word, every carry at once (RFC 1071 §1).
fn naive(bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(0, |sum: u16, pair| {
        let word = u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]);
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}

fn sum(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sum");
    for len in LENGTHS {
        let bytes: Vec<u8> = (0..len).map(|index| (index * 151) as u8).collect();
        let mut measure = |name: &str, sum: &dyn Fn(&[u8]) -> Sum| {
            bench(&mut group, name, len, || sum(black_box(&bytes)));
        };
        measure("of", &Sum::of);
        for kernel in kernels() {
            measure(kernel.name, &kernel.sum);
        }
        measure("naive", &|bytes| Sum::of_word(naive(bytes)));
    }
}

fn copy(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("copy");
    for len in LENGTHS {
        let from: Vec<u8> = (0..len).map(|index| (index * 151) as u8).collect();
        let mut to = vec![0; len];
        bench(&mut group, "and sum", len, || {
            Sum::of_copied(black_box(&from), black_box(&mut to), &mut Work::default())
        });
        bench(&mut group, "then sum", len, || {
            black_box(&mut to[..]).copy_from_slice(black_box(&from));
            Sum::of(black_box(&from))
        });
        bench(&mut group, "memcpy", len, || black_box(&mut to[..]).copy_from_slice(black_box(&from)));
    }
}

fn bench<T>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, len: usize, mut run: impl FnMut() -> T) {
    group.throughput(Throughput::Bytes(len as u64));
    group.bench_function(BenchmarkId::new(name, len), |bencher| bencher.iter(&mut run));
}

criterion_group! {
    name = checksum;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = sum, copy
}
criterion_main!(checksum);
