import NIOCore

/// What one client, or all together, may hold of a server. A limit on everything that a client
/// could make grow.
package struct APIServerLimits: Sendable, Hashable {
    /// Connections that are open at once. One more takes the place of the one that has been at rest
    /// for longest; where all are busy, it is refused.
    package var connectionsMax = 1024
    /// Connections that are open to be refused, or to make way; more wait in the backlog.
    package var refusalsMax = 256
    /// How long a connection that will be refused may take to ask.
    package var refusalPatience: Duration = .seconds(2)
    /// Connections that wait to be taken.
    package var backlog = 1024
    /// Closes a connection on which no whole request head has come for this long.
    package var idle: Duration = .seconds(60)
    /// All fields of a head together.
    package var headBytesMax = 32 << 10
    package var headFieldsMax = 100
    /// A client that sends a body must send `bodyBytesMin` in each of these windows, or the rest of
    /// it, or a part that is answered at once.
    package var bodyWindow: Duration = .seconds(10)
    package var bodyBytesMin = 4096
    /// Closes a connection whose client has taken nothing of a waiting answer for this long.
    package var answerStall: Duration = .seconds(30)
    /// When the daemon stops, requests that are under way have this long; half of what the daemon
    /// as a whole has.
    package var drain: Duration = .seconds(5)

    package init() {}
}
