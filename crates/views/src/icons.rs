//! The icons, drawn for this product. An icon is never the only way a meaning is conveyed, so all
//! are hidden from screen readers. Their size depends on their context (`app.css`).

use std::fmt;

use askama::filters::HtmlSafe;

/// An icon, rendered as inline SVG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    Alert,
    Back,
    Bell,
    Box,
    Card,
    Chart,
    Check,
    Clock,
    Coin,
    Copy,
    Download,
    External,
    Home,
    Info,
    Key,
    List,
    Lock,
    Mail,
    Menu,
    Moon,
    People,
    Plans,
    Replay,
    Shield,
    Webhook,
}

impl Icon {
    fn paths(self) -> &'static str {
        match self {
            Self::Alert => r#"<path d="M12 4 2.5 20h19zM12 10v4.5M12 17.5h.01"/>"#,
            Self::Back => r#"<path d="M19 12H5m0 0 6-6m-6 6 6 6"/>"#,
            Self::Bell => r#"<path d="M6 16V11a6 6 0 1 1 12 0v5l1.5 2h-15zM10 21h4"/>"#,
            Self::Box => {
                r#"<path d="M3 7.5 12 3l9 4.5v9L12 21l-9-4.5z"/><path d="M3 7.5 12 12l9-4.5M12 12v9"/>"#
            }
            Self::Card => {
                r#"<rect x="2.5" y="5" width="19" height="14" rx="2.5"/><path d="M2.5 10h19"/>"#
            }
            Self::Chart => r#"<path d="M4 20V10M10 20V4M16 20v-7M21 20H3"/>"#,
            Self::Check => r#"<path d="m5 12.5 4.5 4.5L19 7.5"/>"#,
            Self::Clock => r#"<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3.5 2"/>"#,
            Self::Coin => {
                r#"<circle cx="12" cy="12" r="8.5"/><path d="M12 8v8M9.5 10.2c0-1.2 1.1-1.9 2.5-1.9s2.5.7 2.5 1.7c0 2.6-5 1.4-5 4 0 1 1.1 1.7 2.5 1.7s2.5-.7 2.5-1.9"/>"#
            }
            Self::Copy => {
                r#"<rect x="8" y="8" width="12" height="12" rx="2"/><path d="M16 8V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h2"/>"#
            }
            Self::Download => r#"<path d="M12 4v11m0 0 4.5-4.5M12 15l-4.5-4.5M4 20h16"/>"#,
            Self::External => {
                r#"<path d="M14 4h6v6M20 4l-9 9M18 14v5a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1h5"/>"#
            }
            Self::Home => r#"<path d="M4 11 12 4l8 7v9h-5v-6H9v6H4z"/>"#,
            Self::Info => r#"<circle cx="12" cy="12" r="9"/><path d="M12 11v5M12 8h.01"/>"#,
            Self::Key => r#"<circle cx="8" cy="15" r="4.5"/><path d="m11.5 11.5 8-8M16 7l3 3"/>"#,
            Self::List => r#"<path d="M8 6h13M8 12h13M8 18h13M3.5 6h.01M3.5 12h.01M3.5 18h.01"/>"#,
            Self::Lock => {
                r#"<rect x="5" y="11" width="14" height="9" rx="2"/><path d="M8 11V8a4 4 0 1 1 8 0v3"/>"#
            }
            Self::Mail => {
                r#"<rect x="2.5" y="5" width="19" height="14" rx="2.5"/><path d="m3.5 7 8.5 6.5L20.5 7"/>"#
            }
            Self::Menu => r#"<path d="M4 7h16M4 12h16M4 17h16"/>"#,
            Self::Moon => r#"<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z"/>"#,
            Self::People => {
                r#"<circle cx="9" cy="8" r="3.5"/><path d="M2.5 20c0-3.6 2.9-6 6.5-6s6.5 2.4 6.5 6M16 5a3.5 3.5 0 0 1 0 6.5M18 14.5c2.2.8 3.5 2.8 3.5 5.5"/>"#
            }
            Self::Plans => {
                r#"<rect x="3" y="4" width="7" height="16" rx="1.5"/><rect x="14" y="4" width="7" height="10" rx="1.5"/>"#
            }
            Self::Replay => r#"<path d="M4 12a8 8 0 1 0 2.5-5.8M4 4v5h5"/>"#,
            Self::Shield => {
                r#"<path d="M12 3 5 6v6c0 4.5 3 7.5 7 9 4-1.5 7-4.5 7-9V6z"/><path d="m9 12 2 2 4-4"/>"#
            }
            Self::Webhook => r#"<path d="M9 16a4 4 0 1 1-4-4h6M15 8a4 4 0 1 1 2 7.5l-4-7"/>"#,
        }
    }
}

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            r#"<svg class="i" width="18" height="18" viewBox="0 0 24 24" aria-hidden="true">"#,
        )?;
        f.write_str(self.paths())?;
        f.write_str("</svg>")
    }
}

impl HtmlSafe for Icon {}
