//! A configuration file that is read again when it changes.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::config::Prints;
pub use super::config::{Change, How, Part};
use super::{Carrier, Gateway, GatewayOptions};
use crate::error::Error;
use crate::provider::Catalog;

/// Looks up a variable of the environment.
type Env = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Configuration files that are read again when they change.
///
/// Ask [`is_due`](Self::is_due) every second or two, [`read`](Self::read) when it says so or when
/// somebody asks for it (SIGHUP), put in force what was read, and [`keep`](Self::keep) it. What is bad
/// is told once: it is read again only when the file changes again.
#[derive(Clone)]
pub struct Reload {
    files: Vec<PathBuf>,
    env: Arc<Env>,
    /// As they were when they were last looked at.
    seen: Vec<Stamp>,
    /// Whether they have changed since they were last read.
    changed: bool,
    prints: Prints,
    force: GatewayOptions,
}

/// What a file's directory entry says of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(Option<(SystemTime, u64)>);

/// What was read of the files.
#[derive(Clone)]
#[non_exhaustive]
pub struct Edition {
    /// The names of the files and their texts.
    pub texts: Vec<(String, String)>,
    /// What differs from what is in force.
    pub changes: Vec<Change>,
    prints: Prints,
}

impl Reload {
    /// Of these files. Nothing of them is in force yet.
    #[must_use]
    pub fn new(
        files: Vec<PathBuf>,
        env: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let seen = files.iter().map(Stamp::of).collect();
        Self {
            files,
            env: Arc::new(env),
            seen,
            changed: false,
            prints: Prints::default(),
            force: GatewayOptions::default(),
        }
    }

    /// Whether a file has changed since it was read, and not any more since this was last asked: one
    /// that is still being written is not read. Cheap.
    pub fn is_due(&mut self) -> bool {
        let now: Vec<Stamp> = self.files.iter().map(Stamp::of).collect();
        if now != self.seen {
            self.seen = now;
            self.changed = true;
            return false;
        }
        self.changed
    }

    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn read(&mut self) -> Result<Edition, Error> {
        self.seen = self.files.iter().map(Stamp::of).collect();
        self.changed = false;
        let mut texts = Vec::new();
        let mut prints = Prints::default();
        for file in &self.files {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(file)
                .map_err(|error| Error::config(format!("{name}: {error}")))?;
            prints.take(&text, &*self.env);
            texts.push((name, text));
        }
        Ok(Edition {
            texts,
            changes: self.prints.changes(&prints),
            prints,
        })
    }

    /// What these texts say of backends and routes. Backends that did not change keep their
    /// credentials.
    ///
    /// # Errors
    /// Names the file, the line and the fix.
    pub fn options(&self, edition: &Edition, catalog: &Catalog) -> Result<GatewayOptions, Error> {
        let mut options = GatewayOptions::configs(&edition.texts, catalog, &*self.env)?;
        for site in &mut options.sites {
            let is_its =
                |part: &Part| matches!(part, Part::Backend(name) if **name == *site.name());
            let changed = edition.changes.iter().any(|change| is_its(&change.part));
            let mut before = self.force.sites.iter();
            if !changed && let Some(kept) = before.find(|kept| kept.name() == site.name()) {
                *site = Arc::clone(kept);
            }
        }
        Ok(options)
    }

    /// These texts and options are in force now, except for what needs a restart once something is
    /// ([`Part::needs_restart`]).
    pub fn keep(&mut self, edition: Edition, options: &GatewayOptions) {
        self.prints.adopt(edition.prints);
        self.force = options.clone();
    }

    /// Puts into a gateway what has changed, and says what that was; `None` where nothing has, or a
    /// file is still being written. To be called every second or two.
    ///
    /// ```no_run
    /// # use cachewright::adapter::gateway::{Carrier, Gateway, Reload};
    /// # use cachewright::provider::Catalog;
    /// # fn tick<S: Carrier>(reload: &mut Reload, gateway: &Gateway<S>, rows: &Catalog) {
    /// match reload.refresh(gateway, rows) {
    ///     Some(Ok(changes)) => println!("{} parts changed", changes.len()),
    ///     Some(Err(error)) => eprintln!("the routes in force stay: {error}"),
    ///     None => {}
    /// }
    /// # }
    /// ```
    pub fn refresh<S: Carrier>(
        &mut self,
        gateway: &Gateway<S>,
        catalog: &Catalog,
    ) -> Option<Result<Vec<Change>, Error>> {
        self.is_due().then(|| {
            let edition = self.read()?;
            let options = self.options(&edition, catalog)?;
            gateway.reload(options.clone())?;
            let changes = edition.changes.clone();
            self.keep(edition, &options);
            Ok(changes)
        })
    }
}

impl GatewayOptions {
    /// What several files say; only one of them may describe backends and routes. See
    /// [`GatewayOptions::config`].
    ///
    /// # Errors
    /// Names the file, the line and the fix.
    pub fn configs(
        texts: &[(String, String)],
        catalog: &Catalog,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let mut found: Option<(&str, Self)> = None;
        for (file, text) in texts {
            let options = Self::config((file, text), catalog, env)?;
            if options.is_empty() {
                continue;
            }
            if let Some((other, _)) = found {
                return Err(Error::config(format!(
                    "{file}: backends and routes are described in {other} as well; put them into \
                     one file"
                )));
            }
            found = Some((file, options));
        }
        Ok(found.map(|(_, options)| options).unwrap_or_default())
    }
}

impl Stamp {
    fn of(file: &PathBuf) -> Self {
        let found = std::fs::metadata(file).ok();
        Self(found.and_then(|found| Some((found.modified().ok()?, found.len()))))
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The texts may hold keys.
        f.debug_struct("Edition")
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: &str, route: &str) -> String {
        format!(
            "[providers.a]\nkind = \"anthropic\"\nkey = \"k\"\n[providers.b]\nkind = \"anthropic\"\n\
             key = \"{key}\"\n[routes.{route}]\nmodel = \"claude-sonnet-5.5\"\norder = [\"a\", \"b\"]"
        )
    }

    #[test]
    fn a_backend_that_did_not_change_keeps_its_credential() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("r.toml");
        std::fs::write(&file, text("k", "r")).unwrap();
        let catalog = Catalog::builtin();
        let mut reload = Reload::new(vec![file.clone()], |_| None);
        let edition = reload.read().unwrap();
        let before = reload.options(&edition, &catalog).unwrap();
        reload.keep(edition, &before);
        assert!(!reload.is_due());

        std::fs::write(&file, text("sk-longer", "s")).unwrap();
        // It might still be being written.
        assert!(!reload.is_due());
        assert!(reload.is_due());
        let edition = reload.read().unwrap();
        let changes: Vec<String> = edition.changes.iter().map(ToString::to_string).collect();
        let expected = "changed backend b, added route s, removed route r";
        assert_eq!(changes.join(", "), expected);
        assert!(!format!("{edition:?}{reload:?}").contains("sk-longer"));
        let after = reload.options(&edition, &catalog).unwrap();
        assert!(Arc::ptr_eq(&before.sites[0], &after.sites[0]));
        assert!(!Arc::ptr_eq(&before.sites[1], &after.sites[1]));
        reload.keep(edition, &after);
        assert!(!reload.is_due());
        assert!(reload.read().unwrap().changes.is_empty());
    }

    #[test]
    fn routes_stand_in_one_file() {
        let named = |name: &str| (name.to_owned(), text("k", "r"));
        let plain = ("p.toml".to_owned(), "mode = \"place\"".to_owned());
        let read = |texts: &[(String, String)]| {
            GatewayOptions::configs(texts, &Catalog::builtin(), &|_| None)
        };
        let found = read(&[plain.clone(), named("a.toml"), plain]).unwrap();
        assert_eq!(found.network.routes.len(), 1);
        let said = read(&[named("a.toml"), named("b.toml")]).unwrap_err();
        for part in ["b.toml", "a.toml", "one file"] {
            assert!(said.to_string().contains(part), "{said}");
        }
    }
}
