//! The stylesheet, the script and the icon, embedded in the program. Their paths contain a hash of
//! their content, so a browser may cache them for a year and still sees every change immediately.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// An embedded file, as served by the router.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    pub bytes: &'static [u8],
    pub content_type: &'static str,
}

/// The paths of the assets, for the pages that link them.
#[derive(Debug)]
pub struct Paths {
    pub css: String,
    pub js: String,
    pub icon: String,
}

const CSS: Asset = Asset {
    bytes: include_bytes!("../assets/app.css"),
    content_type: "text/css; charset=utf-8",
};

const JS: Asset = Asset {
    bytes: include_bytes!("../assets/app.js"),
    content_type: "text/javascript; charset=utf-8",
};

const ICON: Asset = Asset {
    bytes: include_bytes!("../assets/icon.svg"),
    content_type: "image/svg+xml",
};

static PATHS: LazyLock<Paths> = LazyLock::new(|| Paths {
    css: hashed("app", "css", CSS.bytes),
    js: hashed("app", "js", JS.bytes),
    icon: hashed("icon", "svg", ICON.bytes),
});

/// The paths of the assets of this build.
pub fn paths() -> &'static Paths {
    &PATHS
}

/// The asset at a path such as `/assets/app.1f2e3d4c5b6a.css`; `None` for any other path, including
/// one with an old hash, because that content no longer exists.
pub fn asset(path: &str) -> Option<Asset> {
    let paths = paths();
    [(&paths.css, CSS), (&paths.js, JS), (&paths.icon, ICON)]
        .into_iter()
        .find_map(|(own, asset)| (own == path).then_some(asset))
}

fn hashed(name: &str, extension: &str, bytes: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(bytes));
    format!("/assets/{name}.{}.{extension}", &digest[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_asset_is_found_at_its_own_path_only() {
        let css = asset(&paths().css).unwrap();

        assert!(css.content_type.starts_with("text/css"));
        assert_eq!(asset(&paths().js).unwrap().bytes, JS.bytes);
        assert!(asset("/assets/app.css").is_none());
        assert!(asset("/assets/app.000000000000.css").is_none());
    }

    #[test]
    fn the_stylesheet_and_the_script_stay_small() {
        assert!(
            CSS.bytes.len() < 32 * 1024,
            "the stylesheet has {} bytes",
            CSS.bytes.len()
        );
        assert!(
            JS.bytes.len() < 4 * 1024,
            "the script has {} bytes",
            JS.bytes.len()
        );
    }
}
