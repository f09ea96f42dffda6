import HTTPTypes
import Hummingbird
import NIOCore
import TextFormats

extension Response {
    // A constant of ours, and valid.
    private static let link = HTTPField.Name("Link")

    /// An answer of one JSON document.
    package static func json(
        _ json: borrowing JSONWriter, status: HTTPResponse.Status = .ok,
        contentType: String = "application/json"
    ) -> Response {
        var buffer = ByteBuffer()
        json.withBytes { bytes in
            bytes.withUnsafeBytes { _ = buffer.writeBytes($0) }
        }
        return Response(
            status: status,
            headers: [.contentType: contentType, .contentLength: String(buffer.readableBytes)],
            body: ResponseBody(byteBuffer: buffer))
    }

    /// An answer of one JSON object, written by the closure.
    package static func object(
        status: HTTPResponse.Status = .ok, _ body: (inout JSONWriter) -> Void
    ) -> Response {
        var json = JSONWriter()
        json.object(body)
        return .json(json, status: status)
    }

    /// A page of a list: `{"items":[…],"next":"cursor"}`, with the next page's address as a link
    /// (RFC 8288).
    package static func page<Item>(
        _ items: [Item], next: String?, of request: Request,
        _ write: (inout JSONWriter, Item) -> Void
    ) -> Response {
        var response = object { json in
            json.name("items")
            json.array(of: items, write)
            json.name("next")
            if let next { json.value(next) } else { json.null() }
        }
        if let next, let link {
            response.headers[link] = "<\(request.uri.path)?cursor=\(next)>; rel=\"next\""
        }
        return response
    }
}
