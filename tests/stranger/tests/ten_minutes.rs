//! The program of ten minutes, as two processes: one that trains and saves, one that loads and recommends.

use std::process::Command;

#[test]
fn one_process_trains_and_another_recommends() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    let run = || {
        let output = Command::new(env!("CARGO_BIN_EXE_ten_minutes")).arg(&model).output().unwrap();
        let (shown, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{errors}");
        shown
    };
    let trained = run();
    assert!(trained.contains("recall") && trained.contains("@20"), "{trained}");
    assert!(model.join("model.safetensors").is_file());
    let answers = run();
    let tables: Vec<&str> = answers.split("\n\n").filter(|table| table.contains("sku-")).collect();
    assert_eq!(tables.len(), 3, "{answers}");
    for table in tables {
        assert_eq!(table.lines().filter(|line| line.contains("sku-")).count(), 10, "{table}");
        assert!(["text", "synergy", "visual"].iter().all(|block| table.contains(block)), "{table}");
    }
    assert_eq!(run(), answers, "the same answers in every process");
    let program = include_str!("../src/bin/ten_minutes.rs");
    assert!(program.lines().count() <= 25, "{} lines", program.lines().count());
}
