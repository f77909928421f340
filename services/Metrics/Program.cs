using Vigil.Metrics;
using Vigil.ServiceDefaults;

// Settings are read once. To watch their files is to watch all that lies beside and below them, and be told of each write to a database there.
var builder = WebApplication.CreateBuilder(["--hostBuilder:reloadConfigOnChange=false", .. args]);
builder.AddServiceDefaults(new ServiceIdentity("metrics", GrpcPort: 4317, HttpPort: 9090));
builder.AddMetrics();

var app = builder.Build();
app.MapServiceDefaults();
app.MapMetrics();
return await app.RunServiceAsync();
