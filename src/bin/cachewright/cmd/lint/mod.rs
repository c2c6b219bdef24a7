//! `cachewright lint`.

mod print;
mod read;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cachewright::adapter::lint::{self, Finding, Findings, Severity};
use cachewright::adapter::target::Told;
use cachewright::canon::Rules;
use cachewright::error::Error;
use cachewright::provider::Catalog;
use indicatif::ProgressBar;

use crate::args::{FailOn, Lint};
use crate::exit::{Failure, complain};

use print::Shown;
use read::{Body, File};

/// Lints every input, prints what was found, and fails if it was bad enough.
pub(crate) fn run(args: &Lint, catalog: &Arc<Catalog>) -> Result<(), Failure> {
    let files = read::files(&args.inputs)?;
    if args.fix && !args.in_place && files.len() > 1 {
        let message = "--fix writes one file; use --in-place to rewrite several";
        return Err(Error::config(message).into());
    }
    let bar = ProgressBar::new(files.len() as u64);
    let mut job = Job {
        args,
        catalog,
        shown: Vec::new(),
        unusable: 0,
        worst: None,
    };
    for input in &files {
        bar.inc(1);
        job.file(input)?;
    }
    bar.finish_and_clear();
    job.report()?;
    job.outcome()
}

struct Job<'a> {
    args: &'a Lint,
    catalog: &'a Arc<Catalog>,
    shown: Vec<Shown>,
    /// Inputs that were named and could not be used.
    unusable: usize,
    worst: Option<Severity>,
}

impl Job<'_> {
    fn file(&mut self, (path, named): &(PathBuf, bool)) -> Result<(), Failure> {
        let file = match File::read(path) {
            Ok(file) => file,
            Err(error) => {
                complain(&error);
                self.unusable += usize::from(*named);
                return Ok(());
            }
        };
        let mut fixed = Vec::new();
        for body in &file.bodies {
            let told = self.told(body);
            let outcome = lint::lint(self.catalog, &body.bytes, &told);
            let found = match outcome {
                Ok(found) => found,
                Err(error) if error.is_config() && self.is_told() => return Err(error.into()),
                Err(error) => {
                    complain(&format!("{}:{}: {error}", path.display(), body.line));
                    self.unusable += usize::from(*named);
                    continue;
                }
            };
            let found = match self.args.fix {
                true => self.fix((body, &told), found, &mut fixed)?,
                false => found,
            };
            self.worst = self.worst.max(found.worst());
            let shown = Shown::new(&file, body, found);
            self.shown.push(if self.args.excerpt {
                shown.with_excerpts(body)
            } else {
                shown
            });
        }
        if self.args.fix {
            self.write(path, &file.with(&fixed))?;
        }
        Ok(())
    }

    /// Whether the command line says whom the bodies are for.
    const fn is_told(&self) -> bool {
        self.args.provider.is_some() || self.args.dialect.is_some()
    }

    /// What is known of a body beside itself: by the command line, or by the line it stood in.
    fn told(&self, body: &Body) -> Told {
        let mut told = body.told.clone();
        let known = |name: &str| self.catalog.provider(name).is_some();
        told.provider = told.provider.filter(|name| known(name));
        for (own, given) in [
            (&mut told.provider, &self.args.provider),
            (&mut told.dialect, &self.args.dialect),
            (&mut told.model, &self.args.model),
            (&mut told.url, &self.args.url),
        ] {
            if given.is_some() {
                own.clone_from(given);
            }
        }
        if self.is_told() {
            told.url = None;
        }
        told
    }

    /// Rewrites one body, says what that changed, and returns what is left.
    fn fix(
        &self,
        (body, told): (&Body, &Told),
        mut found: Findings,
        fixed: &mut Vec<(usize, Vec<u8>)>,
    ) -> Result<Findings, Failure> {
        let rules = self.args.rules.as_ref();
        let rules = rules.map(|rules| rules.iter().copied().collect::<Rules>());
        let after = lint::fix(self.catalog, &body.bytes, told, rules)?;
        let mut err = anstream::stderr().lock();
        let at = format!("{}:{}", body.file.display(), body.line);
        for change in &after.changes {
            writeln!(err, "{at}: {}: {}", change.pointer, change.what)?;
        }
        let codes: Vec<&str> = after
            .repaired
            .iter()
            .map(|one: &Finding| one.code.as_str())
            .collect();
        let repaired = if codes.is_empty() {
            "nothing".to_owned()
        } else {
            codes.join(", ")
        };
        writeln!(
            err,
            "{at}: repaired: {repaired}; left: {}",
            after.left.len()
        )?;
        found.list = after.left;
        fixed.push((body.index, after.body.to_vec()));
        Ok(found)
    }

    fn write(&self, path: &Path, content: &[u8]) -> Result<(), Failure> {
        let target = match (&self.args.output, self.args.in_place) {
            (Some(target), _) => target.as_path(),
            (None, true) => path,
            (None, false) => {
                let mut out = io::stdout().lock();
                out.write_all(content)?;
                out.flush()?;
                return Ok(());
            }
        };
        let trouble = |error| Error::io(format!("{}: {error}", target.display()));
        std::fs::write(target, content).map_err(trouble)?;
        Ok(())
    }

    fn report(&self) -> Result<(), Failure> {
        let to_stdout = !self.args.fix || self.args.in_place || self.args.output.is_some();
        let text = if self.args.json {
            print::json(&self.shown)
        } else {
            print::text(&self.shown)
        };
        if to_stdout {
            let mut out = anstream::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()?;
        } else {
            anstream::stderr().lock().write_all(text.as_bytes())?;
        }
        Ok(())
    }

    fn outcome(&self) -> Result<(), Failure> {
        if self.unusable > 0 {
            let message = format!(
                "{} inputs could not be used, each named above",
                self.unusable
            );
            return Err(Error::config(message).into());
        }
        if self.shown.is_empty() {
            return Err(Error::config("no request was found in these inputs").into());
        }
        let limit = match self.args.fail_on {
            FailOn::Warning => Severity::Warning,
            FailOn::Error => Severity::Error,
        };
        match self.worst >= Some(limit) {
            true => Err(Failure::Inputs),
            false => Ok(()),
        }
    }
}
