//! The program `viral`: from raw catalogues, photos and titles to trained recommenders and their recommendations.

mod bar;
mod commands;
mod export;
mod serve;
mod shell;

use clap::Parser;
use commands::Command;

/// Keeps the pages of freed tensors, which the system's allocator would return and request anew at every step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Multimodal recommendation, from raw catalogues to recommendations.
///
/// A folder of data holds everything about a catalogue: `prepare` makes it from reviews and metadata, `describe` adds
/// what a vision-language model sees in the pictures, `encode` turns texts and descriptions into features, `embed`
/// sends the picture and title of each item to a model that embeds both together, `import` takes features made
/// elsewhere. `train` trains a model on the folder, `experiment` compares many models, `probe` finds out whether a
/// model uses its content, `cold` and `missing` measure it without history and without content, `report` shows the
/// results, `recommend` asks a saved model, `export` writes what it knows for other programs, and `serve` answers over
/// HTTP and shows a page.
#[derive(Parser, Debug)]
#[command(name = "viral", version, arg_required_else_help = true)]
#[command(after_help = "Each command says with --help what it takes, and ends with an example.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> viral::Result<()> {
    viral::args::parse::<Arguments>().command.run()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_is_well_formed_and_ends_with_an_example() {
        let mut command = Arguments::command();
        command.build();
        command.clone().debug_assert();
        assert!(command.get_version().is_some());
        for command in command.get_subcommands_mut().filter(|command| command.get_name() != "help") {
            let name = command.get_name().to_string();
            let help = command.render_long_help().to_string();
            let example = help.trim_end().lines().last().unwrap_or_default().trim();
            assert!(help.contains("\nExample"), "{name}: {help}");
            let words: Vec<&str> = example.split_whitespace().collect();
            assert_eq!(words[..2], ["viral", &name], "{example}");
            Arguments::try_parse_from(words).unwrap();
        }
    }
}
