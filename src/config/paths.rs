//! Directories and files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::env::Vars;

const PROGRAM: &str = "qwen-3-coder-proxy";

/// `STATE_DIR`, or the place where the platform keeps a program's state; `os` as in [`std::env::consts::OS`].
pub(super) fn state_dir(vars: &mut Vars, os: &str) -> PathBuf {
    if let Some(written) = path(vars, "STATE_DIR") {
        return written;
    }
    let dir = |name: &str| vars.get(name).map(PathBuf::from);
    let parent = match os {
        "windows" => dir("LOCALAPPDATA"),
        "macos" => dir("HOME").map(|home| home.join("Library/Application Support")),
        // The XDG specification wants relative paths ignored.
        _ => dir("XDG_STATE_HOME")
            .filter(|dir| dir.is_absolute())
            .or_else(|| dir("HOME").map(|home| home.join(".local/state"))),
    };
    parent.map_or_else(|| Path::new(".").join(format!(".{PROGRAM}")), |parent| parent.join(PROGRAM))
}

/// `EXTRA_CA_FILE`, else what Node programs are given for the same purpose.
pub(super) fn extra_ca(vars: &mut Vars) -> Option<PathBuf> {
    path(vars, "EXTRA_CA_FILE").or_else(|| vars.get("NODE_EXTRA_CA_CERTS").map(PathBuf::from))
}

/// Whether the file can be used. A file that Node was given is only worth a warning, as it is there.
pub(super) fn check_extra_ca(vars: &mut Vars, file: &Path) -> bool {
    let message = match fs::read(file) {
        Ok(bytes) if String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE-----") => return true,
        Ok(_) => "holds no certificate; name a PEM file with -----BEGIN CERTIFICATE-----".to_owned(),
        Err(error) => format!("cannot be read ({error}); name a readable PEM file"),
    };
    if vars.get("EXTRA_CA_FILE").is_some() {
        vars.problem("EXTRA_CA_FILE", &message);
    } else {
        vars.warn(format!("NODE_EXTRA_CA_CERTS={}: ignored: {message}", file.display()));
    }
    false
}

/// A path that means what it says: no shell is here to expand a tilde.
fn path(vars: &mut Vars, name: &str) -> Option<PathBuf> {
    let written = vars.get(name)?;
    if let Some(rest) = written.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/')) {
        let home = vars.get("HOME").unwrap_or_else(|| "/home/you".to_owned());
        vars.problem(name, &format!("~ is not expanded here; write {home}{rest}"));
        return None;
    }
    Some(PathBuf::from(written))
}
