import HTTPTypes
import Hummingbird
import LedgerCore

extension APIParameter {
    /// Where an event stream begins.
    package static let eventPlace = [
        header(
            "Last-Event-ID", .string(), "The last id that the reader was given; it goes on there."),
        query(LastEventID.parameter, .string(), "The same, for a first connection of a browser."),
    ]
}

/// Where the reader of an event stream was: the header that browsers send when they connect anew,
/// or, for a first connection, the parameter `last_event_id`.
package enum LastEventID {
    // A constant of ours, and valid.
    private static let header = HTTPField.Name("Last-Event-ID")

    /// The parameter's name, for those who list what a route knows.
    package static let parameter = "last_event_id"

    /// - Parameter known: the names of the route's other parameters.
    /// - Returns: nil where the request says none.
    /// - Throws: `Problem` for one that `make` refuses; its words are read after the name.
    package static func value<Value>(
        of request: Request, known: [String] = [],
        _ make: (String) throws(InvalidValue) -> Value
    ) throws(Problem) -> Value? {
        let query = try QueryParameters(request, known: known + [parameter])
        let sent = header.flatMap { request.headers[$0] }
        guard let text = sent ?? query[parameter], !text.isEmpty else { return nil }
        do throws(InvalidValue) { return try make(text) } catch {
            throw .invalid(sent == nil ? parameter : "Last-Event-ID", error.description)
        }
    }
}
