//! `kerolox unused`: topics and groups nobody has used for long, and deleting them.
//!
//! Lists by default. What is deleted is what was listed a moment ago; the broker deletes from its own machine only.

use std::io::{BufRead, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;
use client::{Connection, Options};
use wire::remoting::body::unused::{LastUsed, UnusedList};

use crate::servers::name_server;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Arguments of `kerolox unused`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Days without a message in or out, a subscriber or a member online.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=36_500))]
    days: u32,
    /// Name servers, `host:port` separated by semicolons; every broker they know is asked.
    #[arg(short = 'n', long, env = "NAMESRV_ADDR", default_value = "127.0.0.1:9876")]
    namesrv: String,
    /// Ask this broker only, without a name server.
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<String>,
    /// Delete what is listed: topics with their messages, groups with their offsets.
    #[arg(long)]
    delete: bool,
    /// Do not ask before deleting.
    #[arg(long, requires = "delete")]
    yes: bool,
}

/// Runs the command. An error if a broker could not be asked or refused.
pub fn run(args: &Args) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(clean(args))
}

async fn clean(args: &Args) -> Result<()> {
    let span = i64::try_from((DAY * args.days).as_millis()).context("too many days")?;
    for address in brokers(args).await? {
        let broker = Connection::open(&address, &Options::default()).await?;
        let unused = broker.unused(span).await.with_context(|| format!("{address} cannot say what is unused"))?;
        print!("{}", table(&address, args.days, &unused, SystemTime::now()));
        if args.delete && !(unused.topics.is_empty() && unused.groups.is_empty()) && (args.yes || agreed(&unused)?) {
            delete(&broker, &unused).await.with_context(|| format!("deleting on {address}"))?;
            println!("deleted {} topics and {} groups", unused.topics.len(), unused.groups.len());
        }
    }
    Ok(())
}

async fn brokers(args: &Args) -> Result<Vec<String>> {
    if let Some(broker) = &args.broker {
        return Ok(vec![broker.clone()]);
    }
    let cluster = name_server(&args.namesrv).await?.cluster_info().await?;
    let masters: Vec<String> =
        cluster.broker_addr_table.values().filter_map(|broker| broker.broker_addrs.get(&0).cloned()).collect();
    if masters.is_empty() {
        bail!("the name server at {} knows no broker", args.namesrv);
    }
    Ok(masters)
}

async fn delete(broker: &Connection, unused: &UnusedList) -> Result<()> {
    for topic in &unused.topics {
        broker.delete_topic(&topic.name).await.with_context(|| format!("topic {}", topic.name))?;
    }
    for group in &unused.groups {
        broker.delete_group(&group.name).await.with_context(|| format!("group {}", group.name))?;
    }
    Ok(())
}

fn agreed(unused: &UnusedList) -> Result<bool> {
    let (topics, groups) = (unused.topics.len(), unused.groups.len());
    print!("Delete {topics} topics with their messages and {groups} groups with their offsets? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn table(address: &str, days: u32, unused: &UnusedList, now: SystemTime) -> String {
    let (topics, groups) = (unused.topics.len(), unused.groups.len());
    let mut text = format!("{address}: {topics} topics and {groups} groups unused for {days} days or more\n");
    let kinds = [("topic", &unused.topics), ("group", &unused.groups)];
    for (kind, name) in kinds.iter().flat_map(|(kind, names)| names.iter().map(move |name| (kind, name))) {
        text += &format!("  {kind}  {:<40}  last used {} days ago\n", name.name, days_since(name, now));
    }
    text
}

/// Whole days; 0 if clocks differ so much that it lies ahead.
fn days_since(name: &LastUsed, now: SystemTime) -> u64 {
    let last = UNIX_EPOCH + Duration::from_millis(u64::try_from(name.last_used).unwrap_or(0));
    now.duration_since(last).map_or(0, |span| span.as_secs() / DAY.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_and_since_when() {
        let now = UNIX_EPOCH + DAY * 100;
        let named = |name: &str, day: i64| LastUsed { name: name.to_owned(), last_used: day * 86_400_000 };
        let unused = UnusedList { topics: vec![named("orders-old", 40)], groups: vec![named("billing", 101)] };
        let table = table("h:1", 30, &unused, now);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0].join(" "), "h:1: 1 topics and 1 groups unused for 30 days or more");
        assert_eq!(lines[1].join(" "), "topic orders-old last used 60 days ago");
        assert_eq!(lines[2].join(" "), "group billing last used 0 days ago", "a clock that is ahead");
    }
}
