//! The stylesheet, the script and the icon.

use views::assets::asset;

/// `GET /assets/{file}`: the name contains a hash of the content, so clients cache it for a year.
pub async fn serve(
    uri: axum::http::Uri,
) -> crate::http::error::HttpResult<impl axum::response::IntoResponse> {
    use axum::http::header::CACHE_CONTROL;
    use axum::http::header::CONTENT_TYPE;
    let missing = || billing::error::Error::not_found("There is no such file.");
    let asset = asset(uri.path()).ok_or_else(missing)?;
    let headers = [
        (CONTENT_TYPE, asset.content_type),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, asset.bytes))
}
