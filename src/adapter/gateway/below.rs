//! What stands between the layer and the client: it shows the credential, and notes what left.
