//! Data shared by the samples of all pages: readers, days, and text that could break a page.

use crate::components::{Banner, Kind};
use crate::format;
use crate::format::When;
use crate::layout::{AccountLink, Nav, Shell, TestMode, Viewer};

/// The current time in all samples: 22 November 2026, 12:00 UTC.
pub const NOW: i64 = 1_795_348_800_000_000;

/// One day in microseconds.
pub const DAY: i64 = 86_400_000_000;

/// Markup in place of a name.
pub const EVIL: &str = "<script>alert(\"x\")</script> & 'Söhne' <img src=x onerror=y>";

/// A very long name.
pub const LONG: &str =
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft mbH";

/// The date this many days after [`NOW`].
pub fn day(days: i64) -> When {
    format::day(NOW + days * DAY)
}

pub fn customer(active: Nav) -> Shell {
    Shell::signed_in("LocalBoxs", viewer(), active)
}

/// A customer in test mode, where the twin stands in for Stripe.
pub fn customer_in_test_mode(active: Nav) -> Shell {
    Shell {
        test_mode: Some(test_mode()),
        ..customer(active)
    }
}

pub fn admin(active: Nav) -> Shell {
    let viewer = Viewer {
        account_name: "LocalBoxs".to_owned(),
        email: "olga@localboxs.example".to_owned(),
        initials: "OP".to_owned(),
        role: "Admin".to_owned(),
        is_admin: true,
        events_failed: 2,
        accounts: Vec::new(),
    };
    Shell {
        test_mode: Some(test_mode()),
        ..Shell::signed_in("LocalBoxs", viewer, active)
    }
}

/// A reader whose texts are all very long or contain markup.
pub fn worst(active: Nav) -> Shell {
    let viewer = Viewer {
        account_name: format!("{LONG} {EVIL}"),
        email: format!("{}@{}.example", "a".repeat(64), "b".repeat(60)),
        initials: "<b".to_owned(),
        role: EVIL.to_owned(),
        is_admin: true,
        events_failed: u64::MAX,
        accounts: vec![account_link(EVIL, true), account_link(LONG, false)],
    };
    Shell {
        test_mode: Some(TestMode {
            text: EVIL.to_owned(),
            link: Some((EVIL.to_owned(), "/\"><script>".to_owned())),
        }),
        flash: Some(Banner::new(Kind::Bad, EVIL, EVIL)),
        ..Shell::signed_in("LocalBoxs", viewer, active)
    }
}

/// A reader who is not signed in.
pub fn public() -> Shell {
    Shell {
        test_mode: Some(test_mode()),
        ..Shell::public("LocalBoxs")
    }
}

fn viewer() -> Viewer {
    Viewer {
        account_name: "Acme Robotics".to_owned(),
        email: "maya@acme.example".to_owned(),
        initials: "MK".to_owned(),
        role: "Owner".to_owned(),
        is_admin: false,
        events_failed: 0,
        accounts: Vec::new(),
    }
}

pub fn account_link(name: &str, current: bool) -> AccountLink {
    AccountLink {
        name: name.to_owned(),
        href: "/dashboard?account=acc_1".to_owned(),
        current,
    }
}

fn test_mode() -> TestMode {
    TestMode {
        text: "Test mode: payments go to the built-in Stripe twin. No card is charged.".to_owned(),
        link: Some((
            "Open the twin".to_owned(),
            "http://127.0.0.1:12111/".to_owned(),
        )),
    }
}
