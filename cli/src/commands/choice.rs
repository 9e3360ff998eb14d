//! Which items are eligible, and how much each block counts.

use clap::Args;
use viral::prelude::{RecommendOptions, Recommender};
use viral::{Error, Result};

#[derive(Args, Debug, Default, PartialEq)]
#[command(next_help_heading = "Which items")]
pub(super) struct Choice {
    /// Items to exclude: one, or several separated by commas; can be repeated
    #[arg(long, value_name = "ID,…", allow_hyphen_values = true)]
    exclude: Vec<String>,
    /// The only eligible items: one, or several separated by commas; can be repeated
    #[arg(long, value_name = "ID,…", allow_hyphen_values = true)]
    among: Option<Vec<String>>,
    /// Multiplies the share of a block; can be repeated
    #[arg(long, value_name = "BLOCK=FACTOR")]
    pub(super) weigh: Vec<String>,
    /// Also recommends items that the user is known to have
    #[arg(long)]
    with_known: bool,
}

impl Choice {
    /// Makes the options for the best `k` of these items.
    pub(super) fn options(&self, recommender: &Recommender, k: usize) -> Result<RecommendOptions> {
        let mut options =
            RecommendOptions::new(k).exclude(listed(recommender, &self.exclude)?).with_known(self.with_known);
        if let Some(among) = &self.among {
            options = options.among(listed(recommender, among)?);
        }
        let mut blocks: Vec<&str> = Vec::new();
        for weigh in &self.weigh {
            let parsed = weigh.split_once('=').and_then(|(block, factor)| Some((block, factor.parse().ok()?)));
            let (block, factor) = parsed
                .ok_or_else(|| Error::Config(format!("--weigh {weigh}: write block=factor, such as visual=0.5")))?;
            if blocks.contains(&block) {
                return Err(Error::Config(format!("--weigh {weigh}: the block {block} is given twice; give it once")));
            }
            blocks.push(block);
            options = options.weigh(block, factor);
        }
        Ok(options)
    }
}

/// The items that the values of an option name.
pub(super) fn listed<'a>(recommender: &Recommender, values: &'a [String]) -> Result<Vec<&'a str>> {
    let lists = values.iter().map(|value| recommender.listed_items(value)).collect::<Result<Vec<_>>>()?;
    Ok(lists.concat())
}
