//! Reviews stream: memory follows users, items and interactions, not the size of the file.

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::path::Path;

use viral::data::splitmix64;
use viral_enrich::{Prepare, Reviews};

/// Writes reviews until the file has so many bytes; says how many reviews there are.
fn write_reviews(path: &Path, n_bytes: u64, n_users: u64, n_items: u64) -> u64 {
    let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
    let text = "I bought this for the second one, and it held up better than the first. ".repeat(9);
    let (mut written, mut n_rows, mut line) = (0, 0, String::new());
    while written < n_bytes {
        let (user, item) = (splitmix64(2 * n_rows) % n_users, splitmix64(2 * n_rows + 1) % n_items);
        let length = 100 + (splitmix64(n_rows) % 500) as usize;
        line.clear();
        writeln!(
            line,
            "{{\"reviewerID\": \"A{user:012}\", \"asin\": \"B{item:09}\", \"reviewerName\": \"R. \\\"{user}\\\"\", \
             \"helpful\": [{}, 9], \"reviewText\": \"{}\", \"overall\": {}.0, \"summary\": \"Fine\", \
             \"unixReviewTime\": {}, \"reviewTime\": \"05 3, 2013\"}}",
            n_rows % 10,
            &text[..length],
            1 + n_rows % 5,
            1_300_000_000 + n_rows
        )
        .unwrap();
        file.write_all(line.as_bytes()).unwrap();
        written += line.len() as u64;
        n_rows += 1;
    }
    file.flush().unwrap();
    n_rows
}

/// The most memory of this process since it was last reset, and how much it has now, in MB; where Linux tells.
fn memory() -> Option<(f64, f64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kib| kib * 1024.0 / 1e6)
    };
    Some((field("VmHWM:")?, field("VmRSS:")?))
}

#[test]
fn twenty_megabytes_are_read_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let n_rows = write_reviews(&path, 20_000_000, 3000, 1000);
    let prepared = Prepare::new(Reviews::amazon(&path)).run(folder.path().join("out"), |_, _, _| {}).unwrap();
    assert_eq!(prepared.n_rows as u64, n_rows);
    assert!(prepared.n_users > 2900 && prepared.n_items == 1000);
}

/// `cargo test --release --features enrich --test enrich -- --ignored --nocapture gigabyte`
#[test]
#[ignore = "writes 1 GB to the folder for temporary files and takes half a minute or more; run alone, for it measures memory"]
fn a_gigabyte_of_reviews_streams_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let n_rows = write_reviews(&path, 1_000_000_000, 200_000, 60_000);
    let _ = std::fs::write("/proc/self/clear_refs", "5"); // forgets the peak so far
    let before = memory();
    let start = std::time::Instant::now();
    let prepared = Prepare::new(Reviews::amazon(&path)).run(folder.path().join("out"), |_, _, _| {}).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(prepared.n_rows as u64, n_rows);
    let n_kept: usize = prepared.n_interactions.iter().sum();
    println!("1 GB, {n_rows} reviews, {n_kept} kept: {seconds:.1} s");
    if let Some(((_, now), (peak, _))) = before.zip(memory()) {
        println!("at most {peak:.0} MB, {now:.0} MB before");
        // Measured: 152 MB for 1.8 million reviews, some 80 bytes for each on its way to the folder.
        assert!(peak - now < 250.0, "{peak} MB, {now} MB before");
    }
}
