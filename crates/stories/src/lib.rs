//! Random lives of whole accounts, and what must be true of them.
//!
//! A [`story::Story`] is a list of acts drawn from a seed. A [`world::World`] performs them: it runs
//! `billing` as it is on an embedded database, with the twin's core linked in as Stripe, and given
//! clocks and chance; nothing sleeps or opens a connection, so that the same story always ends the
//! same way. Whenever the world has come to rest, [`judge`] says what is not as it must be.

pub mod acts;
pub mod batch;
pub mod chance;
pub mod judge;
pub mod linked;
pub mod report;
pub mod story;
pub mod world;
