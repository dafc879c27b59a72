//! The program: HTTP, pages, sync, jobs and commands.
pub mod pages;
