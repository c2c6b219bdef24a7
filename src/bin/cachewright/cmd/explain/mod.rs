//! `cachewright explain`: one request body, two of them, or one exchange of the ledger.

mod attempts;
mod exchange;
mod figures;
mod numbers;
mod plan;
mod show;

use std::path::{Path, PathBuf};

use cachewright::adapter::target::Told;
use cachewright::error::Error;
use cachewright::model::Keyring;
use cachewright::provider::Catalog;

use crate::args::Explain;
use crate::bodies::Body;
use crate::exit::Failure;

/// Explains what the arguments name. `config` is what `--config` names: the settings where an id is
/// explained, and rows where bodies are, as `catalog` reads them.
pub(crate) fn run<C: AsRef<Catalog>>(
    args: &Explain,
    config: &[PathBuf],
    catalog: impl Fn() -> Result<C, Error>,
) -> Result<(), Failure> {
    match args.what.as_slice() {
        [_, _] if args.state.is_some() => {
            Err(Error::config("--state goes with one body, which is planned by it").into())
        }
        [earlier, later] => bodies(args, [earlier, later], catalog()?.as_ref()),
        [file] if Path::new(file).exists() => plan::run(args, Path::new(file), catalog()?.as_ref()),
        [id] => exchange::run(args, id, config),
        _ => Err(Error::config("name two request bodies, or the id of an exchange").into()),
    }
}

fn bodies(args: &Explain, files: [&String; 2], catalog: &Catalog) -> Result<(), Failure> {
    if args.ledger.is_some() {
        return Err(
            Error::config("--ledger goes with the id of an exchange, not with files").into(),
        );
    }
    let told = told(args);
    let told = (&told, args.path.as_deref());
    // The digests never leave this process, so any secret will do.
    let keyring = Keyring::new(b"explain");
    let [earlier, later] = files.map(|file| Body::open(Path::new(file), told, catalog, &keyring));
    let (earlier, later) = (earlier?, later?);
    if earlier.endpoint.name != later.endpoint.name {
        return Err(Error::input(format!(
            "{} is a body in the dialect `{}`, {} one in `{}`: only bodies of one dialect can be compared",
            earlier.file.display(),
            earlier.endpoint.name,
            later.file.display(),
            later.endpoint.name,
        ))
        .into());
    }
    let found = figures::explain(&earlier, &later);
    if args.json {
        show::json(&found)
    } else {
        show::text(&found)
    }
}

/// What the arguments say of the bodies.
fn told(args: &Explain) -> Told {
    let mut told = Told::default();
    told.provider = args.provider.as_deref().map(Into::into);
    told.dialect = args.dialect.as_deref().map(Into::into);
    told.model = args.model.as_deref().map(Into::into);
    told
}
