using Vigil.Alerting;
using Vigil.ServiceDefaults;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults(new ServiceIdentity("alerting", GrpcPort: 6102, HttpPort: 9093));
builder.AddAlerting();
var app = builder.Build();
app.MapServiceDefaults();
app.MapAlerting();
return await app.RunServiceAsync();
