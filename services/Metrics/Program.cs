using Vigil.Metrics;
using Vigil.ServiceDefaults;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults(new ServiceIdentity("metrics", GrpcPort: 4317, HttpPort: 9090));
builder.AddMetrics();

var app = builder.Build();
app.MapServiceDefaults();
app.MapMetrics();
return await app.RunServiceAsync();
