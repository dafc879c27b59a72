//! Every function of the store on both databases.

#[path = "store/writer.rs"]
mod writer;
